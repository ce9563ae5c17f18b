//! Frames of HTTP/2 by hand: what no client library would send.
//! <https://www.rfc-editor.org/rfc/rfc9113#name-frame-format>

/// What a client says first; its settings follow.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Settings: numbers and values.
pub fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let pair = |(number, value): &(u16, u32)| [&number.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &pairs.iter().flat_map(pair).collect::<Vec<u8>>())
}

/// The head of a request whose body follows.
pub fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head())
}

/// The same, and the stream is given up at once.
pub fn post_and_reset(stream: u32) -> Vec<u8> {
    [post(stream), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
}

/// A whole request.
pub fn request(stream: u32, body: &[u8]) -> Vec<u8> {
    let mut chunks: Vec<Vec<u8>> = body.chunks(16 << 10).map(|chunk| frame(DATA, 0, stream, chunk)).collect();
    chunks.push(frame(DATA, END_STREAM, stream, b""));
    [post(stream), chunks.concat()].concat()
}

/// The head of a request that does not end: a part that begins it, and one more.
pub fn endless_head(stream: u32) -> (Vec<u8>, Vec<u8>) {
    // A header that is not indexed, of its own name.
    let more: Vec<u8> = (0..1_000).flat_map(|_| *b"\x00\x03x-a\x05bbbbb").collect();
    (frame(HEADERS, 0, stream, &head()), frame(CONTINUATION, 0, stream, &more))
}

/// A ping that asks for an answer.
pub fn ping() -> Vec<u8> {
    frame(PING, 0, 0, &[7; 8])
}

/// `:method POST`, `:scheme https`, `:path /mutate`, `:authority webhook`, by HPACK's static table.
fn head() -> Vec<u8> {
    [&b"\x83\x87\x04\x07/mutate"[..], b"\x01\x07webhook"].concat()
}
