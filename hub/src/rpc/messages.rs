//! gRPC's messages in the body of a request, by hand: between two of them nothing is kept. tonic's own reader keeps a
//! buffer as large as the largest message so far, for as long as the call lasts, and a follower's lasts for weeks.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::Stream;
use lianbo_proto::{bounded, v1};
use tonic::Status;

use super::{MAX_MESSAGE, MAX_SMALL};

/// Compressed or not, and the length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// Cuts a stream of bytes into messages.
#[derive(Debug)]
pub struct Messages {
    /// What came of the messages that are not taken yet.
    bytes: BytesMut,
    /// Bytes a message may have.
    most: usize,
}

impl Messages {
    /// No bytes yet, of messages of `most` bytes at most.
    pub fn new(most: usize) -> Self {
        Self { bytes: BytesMut::new(), most }
    }

    /// More bytes came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, if all of it came. Refuses one that is compressed, or larger than allowed.
    pub fn take(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((&[compressed, ref length @ ..], rest)) = self.bytes.split_first_chunk::<PREFIX>()
        else {
            return Ok(None);
        };
        if compressed != 0 {
            return Err(Status::unimplemented("compressed messages are not taken"));
        }
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > self.most {
            let most = self.most;
            return Err(Status::out_of_range(format!(
                "a message of {length} bytes; at most {most} are taken"
            )));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.bytes.advance(PREFIX);
        let message = self.bytes.split_to(length).freeze();
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        Ok(Some(message))
    }

    /// Whether all that came was taken.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// What a follower says, message by message: an open, which may be large, then acknowledgements.
pub(super) struct Requests {
    body: Body,
    messages: Messages,
}

impl Requests {
    /// The messages of a request's body.
    pub(super) fn new(body: Body) -> Self {
        Self { body, messages: Messages::new(MAX_MESSAGE) }
    }
}

impl Stream for Requests {
    type Item = Result<v1::FollowRequest, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.messages.take() {
                Ok(Some(message)) => {
                    self.messages.most = MAX_SMALL;
                    return Poll::Ready(Some(bounded::decode(message)));
                }
                Ok(None) => {}
                Err(status) => return Poll::Ready(Some(Err(status))),
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                // Trailers of a request say nothing.
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.messages.feed(&bytes);
                    }
                }
                Some(Err(error)) => {
                    let status = Status::cancelled(format!("the follower went away: {error}"));
                    return Poll::Ready(Some(Err(status)));
                }
                None if self.messages.is_empty() => return Poll::Ready(None),
                None => {
                    let status = Status::invalid_argument("the last message is not whole");
                    return Poll::Ready(Some(Err(status)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use proptest::prelude::*;
    use prost::Message as _;
    use tonic::Code;

    use super::*;

    fn prefixed(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0][..], &length, message].concat()
    }

    #[test]
    fn what_is_compressed_or_too_large_is_refused_before_it_came() {
        let mut messages = Messages::new(MAX_MESSAGE);
        messages.feed(&[1, 0, 0, 0, 0]);
        assert_eq!(messages.take().unwrap_err().code(), Code::Unimplemented);
        let mut messages = Messages::new(MAX_MESSAGE);
        messages.feed(&[0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(messages.take().unwrap_err().code(), Code::OutOfRange);
    }

    #[test]
    fn nothing_is_kept_between_messages() {
        let mut messages = Messages::new(MAX_MESSAGE);
        messages.feed(&prefixed(&vec![7; 100_000]));
        assert_eq!(messages.take().unwrap().unwrap().len(), 100_000);
        assert!(messages.is_empty());
        assert_eq!(messages.bytes.capacity(), 0);
    }

    #[tokio::test]
    async fn an_open_may_be_large_and_what_comes_after_it_may_not() {
        let held = vec![v1::LogHeight::default(); 50_000];
        let open = v1::FollowOpen { held, ..v1::FollowOpen::default() };
        let message = Some(v1::follow_request::Message::Open(open));
        let open = prefixed(&v1::FollowRequest { message }.encode_to_vec());
        let mut said = Requests::new(Body::from([open.clone(), open].concat()));
        assert!(said.next().await.unwrap().is_ok());
        assert_eq!(said.next().await.unwrap().unwrap_err().code(), Code::OutOfRange);
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_were_cut(
            sent in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20),
            sizes in proptest::collection::vec(1..90usize, 1..20),
        ) {
            let wire = sent.iter().map(|message| prefixed(message)).collect::<Vec<_>>().concat();
            let (mut messages, mut got) = (Messages::new(MAX_MESSAGE), Vec::new());
            let (mut rest, mut sizes) = (&wire[..], sizes.iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                messages.feed(piece);
                rest = after;
                while let Some(message) = messages.take().unwrap() {
                    got.push(message.to_vec());
                }
            }
            prop_assert_eq!(got, sent);
            prop_assert!(messages.is_empty());
        }
    }
}
