//! Batches on their way down, as the body of gRPC's response. The bytes of a large frame are those that all followers
//! share: tonic's own encoder would copy them for each, into a buffer that it keeps for as long as the call lasts.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::HttpBody;
use axum::http::HeaderMap;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::{SelectAll, select_all};
use hyper::body::Frame;
use lianbo_proto::v1;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use tonic::Status;

use super::FollowStream;

/// Frames up to this many bytes are copied behind their wrapping, so that a message is one piece.
const SMALL: usize = 16 * 1024;
/// Compressed or not, and the length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;
/// The number of `frame` in `FollowResponse`.
const FRAME_TAG: u32 = 2;

/// The body: batches, then the status in the trailers.
pub(crate) struct Batches {
    /// `None` after its end. Looked at only when it was woken: hyper asks once more after each piece.
    source: Option<SelectAll<FollowStream>>,
    /// The shared part of a message whose wrapping has gone out.
    rest: Option<Bytes>,
}

impl Batches {
    /// What a follower gets.
    pub(crate) fn new(source: FollowStream) -> Self {
        Self { source: Some(select_all([source])), rest: None }
    }
}

impl HttpBody for Batches {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(rest) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        let Some(source) = &mut self.source else { return Poll::Ready(None) };
        let frame = match ready!(source.poll_next_unpin(cx)) {
            Some(Ok(batch)) => {
                let (first, rest) = encode(&batch);
                self.rest = rest;
                Frame::data(first)
            }
            Some(Err(status)) => Frame::trailers(trailers(&status)),
            None => Frame::trailers(trailers(&Status::ok(""))),
        };
        if frame.is_trailers() {
            // What it holds is let go now, not when the connection is done with the body.
            self.source = None;
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // Fails for a text that no header can hold, which the encoding of the text rules out.
    if status.add_header(&mut trailers).is_err() {
        tracing::error!("a status that no trailer can hold");
    }
    trailers
}

/// A message in one piece, or in two, of which the second is the frame as it is. The order of fields is free.
fn encode(batch: &v1::FollowResponse) -> (Bytes, Option<Bytes>) {
    let wrapping =
        v1::FollowResponse { lane: batch.lane, frame: Bytes::new(), cursor: batch.cursor.clone() };
    let frame = &batch.frame;
    let field = if frame.is_empty() {
        0
    } else {
        prost::encoding::key_len(FRAME_TAG) + encoded_len_varint(frame.len() as u64) + frame.len()
    };
    let length = wrapping.encoded_len() + field;
    let small = frame.len() <= SMALL;
    let mut first = BytesMut::with_capacity(PREFIX + length - if small { 0 } else { frame.len() });
    first.put_u8(0);
    // A batch is bounded far below 4 GB.
    first.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    wrapping.encode_raw(&mut first);
    if field > 0 {
        encode_key(FRAME_TAG, WireType::LengthDelimited, &mut first);
        encode_varint(frame.len() as u64, &mut first);
    }
    if small {
        first.put_slice(frame);
    }
    (first.freeze(), (!small).then(|| frame.clone()))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::task::Waker;

    use futures_util::stream;

    use super::*;

    fn batch(frame: Vec<u8>, cursor: usize) -> v1::FollowResponse {
        v1::FollowResponse { lane: 2, frame: frame.into(), cursor: vec![9; cursor].into() }
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_and_large_frames_are_not_copied() {
        for batch in [
            batch(vec![], 0),
            batch(vec![], 152),
            batch(vec![7; 100], 152),
            batch(vec![7; SMALL], 0),
            batch(vec![7; SMALL + 1], 152),
            batch(vec![7; 500_000], 152),
        ] {
            let (first, rest) = encode(&batch);
            assert_eq!(rest.is_some(), batch.frame.len() > SMALL);
            if let Some(rest) = &rest {
                assert_eq!(rest.as_ptr(), batch.frame.as_ptr());
            }
            let whole = [&first[..], rest.as_deref().unwrap_or_default()].concat();
            let length = u32::from_be_bytes(whole[1..PREFIX].try_into().unwrap());
            assert_eq!((whole[0], length as usize), (0, whole.len() - PREFIX));
            assert_eq!(v1::FollowResponse::decode(&whole[PREFIX..]).unwrap(), batch);
        }
    }

    #[test]
    fn a_source_is_looked_at_when_it_was_woken_however_often_it_is_asked_for() {
        let looks = Arc::<Mutex<Vec<Waker>>>::default();
        let seen = looks.clone();
        let source = stream::poll_fn(move |cx| {
            seen.lock().unwrap().push(cx.waker().clone());
            Poll::Pending
        });
        let mut body = Batches::new(Box::pin(source));
        let mut ask = || Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
        assert!(ask().is_pending() && ask().is_pending());
        assert_eq!(looks.lock().unwrap().len(), 1);
        looks.lock().unwrap()[0].wake_by_ref();
        assert!(ask().is_pending() && ask().is_pending());
        assert_eq!(looks.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_status_is_the_last_word() {
        let gone = Status::aborted("call Hello");
        let source = stream::iter([Ok(batch(vec![1], 0)), Err(gone)]);
        let mut body = Batches::new(Box::pin(source));
        let mut cx = Context::from_waker(Waker::noop());
        let mut next = || match Pin::new(&mut body).poll_frame(&mut cx) {
            Poll::Ready(frame) => frame.map(|frame| frame.unwrap()),
            Poll::Pending => panic!("nothing to wait for"),
        };
        assert!(next().unwrap().is_data());
        let trailers = next().unwrap().into_trailers().unwrap();
        assert_eq!(trailers.get("grpc-status").unwrap(), "10");
        assert_eq!(trailers.get("grpc-message").unwrap(), "call%20Hello");
        assert!(next().is_none());
    }
}
