//! HTTP/2 by hand, for what no client sends.

use std::collections::BTreeMap;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::ground::{Ground, PATIENCE, Shown};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
const GOAWAY: u8 = 7;

/// One frame. `length` is what its head says, whatever is behind it.
pub(super) fn frame_of(length: usize, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// One honest frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame_of(payload.len(), kind, flags, stream, payload)
}

/// A header that nobody remembers (RFC 7541, 6.2.2).
pub(super) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    text(&mut bytes, name);
    text(&mut bytes, value);
    bytes
}

/// A length in seven bits and more (RFC 7541, 5.1), then the text as it is.
pub(super) fn text(bytes: &mut Vec<u8>, text: &str) {
    let mut rest = text.len();
    if rest < 127 {
        bytes.push(u8::try_from(rest).unwrap());
    } else {
        bytes.push(127);
        rest -= 127;
        while rest >= 128 {
            bytes.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        bytes.push(u8::try_from(rest).unwrap());
    }
    bytes.extend(text.as_bytes());
}

/// The headers of a call.
pub(super) fn call(path: &str) -> Vec<u8> {
    [
        literal(":method", "POST"),
        literal(":scheme", "https"),
        literal(":path", path),
        literal(":authority", "localhost"),
        literal("content-type", "application/grpc"),
        literal("te", "trailers"),
    ]
    .concat()
}

/// A TLS connection in two halves.
pub(super) struct Line {
    pub(super) reader: ReadHalf<TlsStream<TcpStream>>,
    pub(super) writer: WriteHalf<TlsStream<TcpStream>>,
}

impl Line {
    /// After the handshake, nothing said.
    pub(super) async fn open(ground: &Ground, shown: Shown) -> Self {
        let (reader, writer) = split(ground.tls(shown).await.unwrap());
        Self { reader, writer }
    }

    /// After the preface and empty settings, and the hub's own. A site has sixteen places, which lines of the attack before
    /// may hold until they are cleared away: then the hub hangs up, and is called again.
    pub(super) async fn begun(ground: &Ground, shown: Shown) -> Self {
        loop {
            let mut line = Self::open(ground, shown).await;
            if line.greet().await.is_ok() {
                return line;
            }
        }
    }

    async fn greet(&mut self) -> std::io::Result<()> {
        self.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await?;
        let mut head = [0; 9];
        self.reader.read_exact(&mut head).await?;
        let [high, middle, low, ..] = head;
        let mut settings = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        self.reader.read_exact(&mut settings).await.map(drop)
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.writer.write_all(bytes).await?;
        self.writer.flush().await
    }

    /// Sends all of it while reading; what the hub did about it.
    pub(super) async fn talk(self, chunks: impl Iterator<Item = Vec<u8>> + Send) -> String {
        let Self { reader, mut writer } = self;
        let write = async move {
            for chunk in chunks {
                if writer.write_all(&chunk).await.is_err() || writer.flush().await.is_err() {
                    return writer;
                }
            }
            writer
        };
        let (answer, _writer) = tokio::join!(verdict(reader), write);
        answer
    }
}

/// Reads until the hub ends the connection or says that it will; what it said.
pub(super) async fn verdict(mut reader: impl AsyncRead + Unpin) -> String {
    let mut seen = BTreeMap::<&str, usize>::new();
    let read = async {
        loop {
            let Ok((kind, flags, payload)) = read_frame(&mut reader).await else {
                return "closed".to_owned();
            };
            if kind == GOAWAY && payload.len() >= 8 {
                let code = u32::from_be_bytes(payload[4..8].try_into().unwrap());
                let goaway = format!("GOAWAY {}", reason(code));
                let before = std::mem::take(&mut seen)
                    .into_keys()
                    .filter(|what| !["answered", "NO_ERROR"].contains(what));
                return before.map(str::to_owned).chain([goaway]).collect::<Vec<_>>().join(", ");
            }
            let what = match kind {
                RESET => reason(u32::from_be_bytes(payload[..4].try_into().unwrap_or_default())),
                HEADERS if flags & END_STREAM != 0 => "answered",
                _ => continue,
            };
            *seen.entry(what).or_default() += 1;
        }
    };
    match tokio::time::timeout(PATIENCE, read).await {
        Ok(end) => end,
        Err(_) => format!("left open {seen:?}"),
    }
}

/// Kind, flags and payload of the next frame.
pub(super) async fn read_frame(
    reader: &mut (impl AsyncRead + Unpin),
) -> std::io::Result<(u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    reader.read_exact(&mut payload).await?;
    Ok((head[3], head[4], payload))
}

/// Writes and never reads, until refused; says what the end was.
pub(super) async fn shout(
    mut to: impl AsyncWrite + Unpin,
    chunks: impl Iterator<Item = Vec<u8>>,
) -> bool {
    for chunk in chunks {
        let sent = tokio::time::timeout(PATIENCE, to.write_all(&chunk)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return false;
        }
    }
    true
}

/// Error codes (RFC 9113, 7).
fn reason(code: u32) -> &'static str {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    NAMES.get(code as usize).copied().unwrap_or("?")
}
