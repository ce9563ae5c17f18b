//! The signals that end the process.

use std::future::Future;
use std::io;

/// Waits until the process is told to end. It listens from this call on, not only from the first wait: the kernel drops a
/// signal for which the first process of a container does not listen.
///
/// # Errors
/// When signals cannot be listened for.
#[cfg(unix)]
pub fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}

/// Waits until the process is told to end.
///
/// # Errors
/// None here.
#[cfg(not(unix))]
pub fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ended = tokio::signal::ctrl_c().await;
    })
}
