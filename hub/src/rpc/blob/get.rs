//! Get: a file goes down, from where the caller stands.

use std::time::Duration;

use futures_util::StreamExt;
use lianbo_node::blobs::{Chunks, even};
use lianbo_node::entry::SiteId;
use lianbo_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status};

use super::super::Service;
use super::super::caller::{Caller, later, no_longer_here};
use super::super::seats::Seat;
use super::{CHUNK, COMING, Name, STALL, failed, not_here};

pub(in crate::rpc) type GetStream = ReceiverStream<Result<v1::BlobChunk, Status>>;

/// After so many bytes the caller's right is asked again.
const RECHECK: usize = 4 * 1024 * 1024;

impl Service {
    pub(super) async fn answer_get(
        &self,
        request: Request<v1::GetBlobRequest>,
    ) -> Result<GetStream, Status> {
        let caller = self.caller(&request)?;
        let asked = request.into_inner();
        let name = Name::read(asked.name)?;
        let named = self.named(&caller, name).await?;
        let size = named.file.size;
        if asked.offset > size {
            return Err(Status::out_of_range("the file is shorter than that"));
        }
        if !self.holds(&named).await? {
            return Err(later("the file is on its way to the hub", COMING));
        }
        let seat = self.transfer(&caller)?;
        let chunks = self.hub.blobs.read(name.blob, asked.offset, size).await;
        let chunks = even(chunks.map_err(|error| failed(&error))?, CHUNK);
        let (out, outbound) = mpsc::channel(2);
        let going = Going { service: self.clone(), caller, name, out, seat };
        let stop = self.hub.stop.clone();
        self.hub.tasks.spawn(async move {
            let ended = tokio::select! {
                () = stop.cancelled() => Err(later("the hub is stopping", COMING)),
                ended = going.run(chunks) => ended,
            };
            // Whoever does not read does not hear it either.
            if let Err(status) = ended
                && going.out.try_send(Err(status)).is_err()
            {
                tracing::debug!("a file was cut short; its reader had gone");
            }
        });
        Ok(ReceiverStream::new(outbound))
    }
}

/// A file on its way down.
struct Going {
    service: Service,
    caller: Caller,
    name: Name,
    out: mpsc::Sender<Result<v1::BlobChunk, Status>>,
    #[expect(dead_code, reason = "held until the file has gone")]
    seat: Seat<SiteId>,
}

impl Going {
    async fn run(&self, mut chunks: Chunks) -> Result<(), Status> {
        let mut unchecked = 0;
        while let Some(chunk) = chunks.next().await {
            let data = chunk.map_err(|error| failed(&error))?;
            unchecked += data.len();
            if unchecked >= RECHECK {
                unchecked = 0;
                self.check().await?;
            }
            let wait = self.service.hub.pace(self.caller.site, data.len() as u64);
            if wait > Duration::ZERO {
                tokio::time::sleep(wait).await;
            }
            let sent = self.out.send(Ok(v1::BlobChunk { data }));
            match tokio::time::timeout(STALL, sent).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ok(()),
                Err(_) => return Err(Status::deadline_exceeded("nobody reads the file")),
            }
        }
        Ok(())
    }

    /// The caller may still have it: it belongs, its certificate is good, the entry is not withdrawn.
    async fn check(&self) -> Result<(), Status> {
        let hub = &self.service.hub;
        if self.caller.not_after_ms <= hub.clock.now() {
            return Err(Status::unauthenticated("the certificate has expired; call Renew"));
        }
        let caller = self.caller.now(&hub.members()).ok_or_else(no_longer_here)?;
        let named = self.service.named(&caller, self.name).await?;
        if self.service.holds(&named).await? { Ok(()) } else { Err(not_here()) }
    }
}
