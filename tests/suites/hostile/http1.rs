//! HTTP/1.1 by hand.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ground::PATIENCE;

/// How long a connection stays that the hub does not end at once.
const STAY: Duration = Duration::from_secs(2);

/// Sends bytes, says no more, and reads to the end; the answers' status codes in order, then `closed` or `open`.
pub(super) async fn ask(to: SocketAddr, bytes: &[u8]) -> String {
    let (answers, end) = exchange(to, bytes).await;
    let mut told: Vec<String> = codes(&answers);
    told.push(end.to_owned());
    told.join(" ")
}

/// All that is answered, and how it ended.
pub(super) async fn exchange(to: SocketAddr, bytes: &[u8]) -> (Vec<u8>, &'static str) {
    let Ok(tcp) = TcpStream::connect(to).await else { return (Vec::new(), "not let in") };
    let (mut reader, mut writer) = tcp.into_split();
    let mut answers = Vec::new();
    let read = async {
        loop {
            match tokio::time::timeout(STAY, reader.read_buf(&mut answers)).await {
                Ok(Ok(0) | Err(_)) => return "closed",
                Ok(Ok(_)) => {}
                Err(_) => return "open",
            }
        }
    };
    // A connection closed while this is written is an answer.
    let write = async { drop(tokio::time::timeout(PATIENCE, writer.write_all(bytes)).await) };
    let (end, ()) = tokio::join!(read, write);
    (answers, end)
}

/// The status codes of these answers.
pub(super) fn codes(answers: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answers);
    text.split("HTTP/1.1 ").skip(1).map(|rest| rest.chars().take(3).collect()).collect()
}
