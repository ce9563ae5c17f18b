//! A stream of bytes that is read a piece at a time: after each, the other connections get their turn. Without that, one that
//! sends the smallest frames as fast as it can keeps the processor for as long as they come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes are read before others get their turn.
const PIECE: usize = 8 << 10;

/// A stream whose reader makes pauses.
#[derive(Debug)]
pub struct Paced<S> {
    stream: S,
    /// Read since the last pause.
    read: usize,
}

impl<S> Paced<S> {
    /// A stream of which nothing was read yet.
    pub fn new(stream: S) -> Self {
        Paced { stream, read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read >= PIECE {
            self.read = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() {
            self.read = 0;
        }
        ready!(read)?;
        self.read += buffer.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::pin::pin;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn others_get_their_turn_and_every_byte_arrives() {
        let bytes = vec![7_u8; 4 * PIECE + 1];
        let mut stream = Paced::new(bytes.as_slice());
        let mut all = Vec::new();
        let mut reading = pin!(stream.read_to_end(&mut all));
        let mut pauses = 0;
        while reading.as_mut().now_or_never().is_none() {
            pauses += 1;
        }
        assert!((2..=4).contains(&pauses), "{pauses}");
        assert_eq!(all, bytes);
    }
}
