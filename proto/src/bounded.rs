//! Decoding within bounds: a field of two bytes may become a structure of two hundred, so fields are counted
//! before anything is made of them.

use std::marker::PhantomData;

use bytes::{Buf, Bytes};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstEncoder};

use crate::v1;

/// Most fields of one message of a call: 50,000 heights and 1,000 subscriptions, with room to spare.
pub const MAX_FIELDS: usize = 60_000;

/// How many fields a message has, those inside its fields with the numbers `open` included; `None` if it is no
/// protobuf. Nothing is kept of it, and it is looked at no further than `most` is passed.
pub fn count_fields(mut message: &[u8], open: &[u32], most: usize) -> Option<usize> {
    let mut count = 0;
    while message.has_remaining() && count <= most {
        let (tag, kind) = decode_key(&mut message).ok()?;
        count += 1;
        if kind == WireType::LengthDelimited && open.contains(&tag) {
            let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
            let inner = message.get(..length)?;
            count += count_fields(inner, &[], most - count.min(most))?;
            message.advance(length);
        } else {
            skip_field(kind, tag, &mut message, DecodeContext::default()).ok()?;
        }
    }
    Some(count)
}

/// A message of a call.
pub trait Bounded: Message + Default {
    /// Numbers of the fields that hold lists of their own.
    const OPEN: &[u32] = &[];
}

macro_rules! bounded {
    ($($name:ident)*) => { $(impl Bounded for v1::$name {})* };
}

bounded! {
    JoinRequest JoinResponse RenewRequest RenewResponse HelloRequest HelloResponse PushRequest PushResponse
    PullRequest PullResponse FollowResponse OfferRequest OfferResponse
    BlobChunk GetBlobRequest HarvestJoinRequest HarvestJoinResponse HarvestPage HarvestRenewRequest HarvestRenewResponse HarvestRequest PutBlobRequest PutBlobResponse StatBlobRequest StatBlobResponse
}

impl Bounded for v1::FollowRequest {
    const OPEN: &[u32] = &[1];
}

/// The codec of all calls: protobuf, of at most [`MAX_FIELDS`] fields a message.
#[derive(Clone, Debug)]
pub struct BoundedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for BoundedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for BoundedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Bounded + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = BoundedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(tonic::codec::BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        BoundedDecoder(PhantomData)
    }
}

/// Decodes messages within bounds.
#[derive(Clone, Debug)]
pub struct BoundedDecoder<U>(PhantomData<U>);

impl<U: Bounded> Decoder for BoundedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let message = buf.copy_to_bytes(buf.remaining());
        decode(message).map(Some)
    }
}

/// A message of a call, if it has at most [`MAX_FIELDS`] fields.
pub fn decode<U: Bounded>(message: Bytes) -> Result<U, Status> {
    let bad = || Status::invalid_argument("the message is not what this call takes");
    if count_fields(&message, U::OPEN, MAX_FIELDS).ok_or_else(bad)? > MAX_FIELDS {
        return Err(Status::invalid_argument("the message has more than 60,000 fields"));
    }
    U::decode(message).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_too_many_fields_is_refused_and_one_of_many_is_not() {
        let of = |count| v1::OfferRequest { held: vec![v1::LogHeight::default(); count] };
        let largest = of(MAX_FIELDS);
        let decoded: v1::OfferRequest = decode(largest.encode_to_vec().into()).unwrap();
        assert_eq!(decoded, largest);
        let refused = decode::<v1::OfferRequest>(of(MAX_FIELDS + 1).encode_to_vec().into());
        assert!(refused.unwrap_err().message().contains("60,000"));
    }

    #[test]
    fn lists_inside_an_open_count_however_they_are_cut_up() {
        let open =
            v1::FollowOpen { held: vec![v1::LogHeight::default(); 10], ..Default::default() };
        let message = v1::follow_request::Message::Open(open);
        let once = v1::FollowRequest { message: Some(message) }.encode_to_vec();
        let count = |bytes: &[u8]| count_fields(bytes, v1::FollowRequest::OPEN, MAX_FIELDS);
        assert_eq!(count(&once), Some(11));
        // Fields given twice are merged, so they are counted twice.
        assert_eq!(count(&once.repeat(2)), Some(22));
        let many: Bytes = once.repeat(MAX_FIELDS / 11 + 1).into();
        assert!(decode::<v1::FollowRequest>(many).is_err());
    }

    #[test]
    fn what_is_no_protobuf_is_named_so() {
        for garbage in
            [&[0xff; 20][..], &[0x0a, 5, 1], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0x0f]]
        {
            assert_eq!(count_fields(garbage, &[], 9), None, "{garbage:?}");
            assert_eq!(count_fields(garbage, &[1], 9), None, "{garbage:?}");
        }
        assert_eq!(count_fields(&[], &[1], 9), Some(0));
    }
}
