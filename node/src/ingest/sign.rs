//! Signs own entries on all cores while the first of them are being written.

use std::sync::Arc;

use bytes::Bytes;
use ed25519_dalek::VerifyingKey;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::IngestError;
use super::verify::spread;
use crate::entry::{EntryError, sign_head, verify_own_heads};
use crate::identity::Identity;

/// Signatures that are handed out together: as many as one statement writes.
const TOGETHER: usize = 256;
/// So many times [`TOGETHER`] may lie ready.
const AHEAD: usize = 4;

/// Signatures over some heads, on their way. Dropped, no more are made.
pub(super) struct Signing {
    ready: mpsc::Receiver<Result<Vec<Bytes>, EntryError>>,
    _at_work: JoinSet<()>,
}

impl Signing {
    /// Begins to sign these heads.
    pub(super) fn begin(identity: Arc<Identity>, heads: Vec<Bytes>) -> Self {
        let key = identity.signing_key().verifying_key();
        Self::with(move |head| sign_head(identity.signing_key(), head), key, heads)
    }

    /// Signs with `sign`. What it made is checked: a machine that miscalculates must not publish that.
    fn with(
        sign: impl Fn(&Bytes) -> Bytes + Clone + Send + 'static,
        key: VerifyingKey,
        heads: Vec<Bytes>,
    ) -> Self {
        let work = move |heads: Vec<Bytes>| {
            let made: Vec<Bytes> = heads.iter().map(&sign).collect();
            match verify_own_heads(&key, &heads, &made) {
                Ok(()) => made.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }
        };
        let (sender, ready) = mpsc::channel(AHEAD);
        let mut at_work = JoinSet::new();
        at_work.spawn(async move {
            let mut rest = heads.into_iter();
            loop {
                let heads: Vec<Bytes> = rest.by_ref().take(TOGETHER).collect();
                if heads.is_empty() {
                    break;
                }
                let signed = spread(heads, work.clone()).await;
                if sender.send(signed.into_iter().collect()).await.is_err() {
                    break;
                }
            }
        });
        Self { ready, _at_work: at_work }
    }

    /// The signatures over the next heads, in their order; never none. An error is this machine's.
    pub(super) async fn next(&mut self) -> Result<Vec<Bytes>, IngestError> {
        let next = self.ready.recv().await;
        next.and_then(Result::ok).ok_or(IngestError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;

    #[tokio::test]
    async fn a_machine_that_miscalculates_hands_out_nothing_of_what_it_made() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let heads: Vec<Bytes> = (0..600_u32).map(|n| n.to_be_bytes().to_vec().into()).collect();
        let wrong = heads[300].clone();
        let public = key.verifying_key();
        let sign = move |head: &Bytes| {
            let mut made = sign_head(&key, head).to_vec();
            made[40] ^= u8::from(*head == wrong);
            made.into()
        };
        let mut signing = Signing::with(sign, public, heads);
        assert_eq!(signing.next().await.unwrap().len(), TOGETHER);
        assert!(matches!(signing.next().await, Err(IngestError::Signature)));
    }
}
