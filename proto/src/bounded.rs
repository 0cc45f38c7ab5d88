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

/// Most columns one node may subscribe to.
pub const MAX_SUBSCRIPTIONS: usize = 1000;

/// How many fields a message has, those inside its fields with the numbers `open` included; `None` if it is no
/// protobuf. Nothing is kept of it, and it is looked at no further than `most` is passed.
pub fn count_fields(message: &[u8], open: &[u32], most: usize) -> Option<usize> {
    let mut count = 0;
    each_field(message, open, &mut |_| {
        count += 1;
        count <= most
    })?;
    Some(count)
}

/// Shows the numbers of the fields, in their order, to `goes_on` until that says no; whether it never did.
fn each_field(
    mut message: &[u8],
    open: &[u32],
    goes_on: &mut impl FnMut(u32) -> bool,
) -> Option<bool> {
    while message.has_remaining() {
        let (tag, kind) = decode_key(&mut message).ok()?;
        if !goes_on(tag) {
            return Some(false);
        }
        if kind == WireType::LengthDelimited && open.contains(&tag) {
            let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
            if !each_field(message.get(..length)?, &[], goes_on)? {
                return Some(false);
            }
            message.advance(length);
        } else {
            skip_field(kind, tag, &mut message, DecodeContext::default()).ok()?;
        }
    }
    Some(true)
}

/// A message of a call.
pub trait Bounded: Message + Default {
    /// Numbers of the fields that hold lists of their own.
    const OPEN: &[u32] = &[];
    /// Number of the field that holds subscriptions, of the message or of its open fields.
    const SUBSCRIPTIONS: Option<u32> = None;
}

macro_rules! bounded {
    ($($name:ident)*) => { $(impl Bounded for v1::$name {})* };
}

bounded! {
    JoinRequest JoinResponse RenewRequest RenewResponse HelloResponse PushRequest PushResponse
    PullResponse FollowResponse OfferRequest OfferResponse
    BlobChunk GetBlobRequest HarvestJoinRequest HarvestJoinResponse HarvestPage HarvestRenewRequest HarvestRenewResponse HarvestRequest PutBlobRequest PutBlobResponse StatBlobRequest StatBlobResponse
}

impl Bounded for v1::FollowRequest {
    const OPEN: &[u32] = &[1];
    const SUBSCRIPTIONS: Option<u32> = Some(3);
}

impl Bounded for v1::HelloRequest {
    const SUBSCRIPTIONS: Option<u32> = Some(6);
}

impl Bounded for v1::PullRequest {
    const SUBSCRIPTIONS: Option<u32> = Some(4);
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

/// A message of a call, if it has at most [`MAX_FIELDS`] fields and [`MAX_SUBSCRIPTIONS`] subscriptions.
pub fn decode<U: Bounded>(message: Bytes) -> Result<U, Status> {
    let bad = || Status::invalid_argument("the message is not what this call takes");
    let (mut fields, mut subscriptions) = (0, 0);
    each_field(&message, U::OPEN, &mut |tag| {
        fields += 1;
        subscriptions += usize::from(U::SUBSCRIPTIONS == Some(tag));
        fields <= MAX_FIELDS && subscriptions <= MAX_SUBSCRIPTIONS
    })
    .ok_or_else(bad)?;
    if fields > MAX_FIELDS {
        return Err(Status::invalid_argument("the message has more than 60,000 fields"));
    }
    if subscriptions > MAX_SUBSCRIPTIONS {
        return Err(Status::invalid_argument("more than 1000 subscriptions"));
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
    fn more_subscriptions_than_a_site_may_have_are_refused_before_anything_is_made_of_them() {
        fn decoded<U: Bounded>(message: &impl Message) -> bool {
            match decode::<U>(message.encode_to_vec().into()) {
                Ok(_) => true,
                Err(status) => {
                    assert!(status.message().contains("1000"), "{status:?}");
                    false
                }
            }
        }
        for (count, taken) in [(MAX_SUBSCRIPTIONS, true), (MAX_SUBSCRIPTIONS + 1, false)] {
            let subscriptions = vec![v1::Subscription::default(); count];
            let hello = v1::HelloRequest {
                subscriptions: subscriptions.clone(),
                ..v1::HelloRequest::default()
            };
            let pull = v1::PullRequest {
                subscriptions: subscriptions.clone(),
                ..v1::PullRequest::default()
            };
            let open = v1::FollowOpen { subscriptions, ..v1::FollowOpen::default() };
            let open = v1::follow_request::Message::Open(open);
            let follow = v1::FollowRequest { message: Some(open) };
            assert_eq!(decoded::<v1::HelloRequest>(&hello), taken);
            assert_eq!(decoded::<v1::PullRequest>(&pull), taken);
            assert_eq!(decoded::<v1::FollowRequest>(&follow), taken);
        }
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
