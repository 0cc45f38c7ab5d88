//! Stat and Put: a file comes up, going on where it was cut.

use lianbo_node::blobs::{BlobError, Part, Partial};
use lianbo_node::content::files::Named;
use lianbo_node::journal::Edition;
use lianbo_proto::v1;
use lianbo_proto::v1::put_blob_request::Message;
use tonic::{Request, Status, Streaming};

use super::super::Service;
use super::super::caller::{Caller, no_longer_here};
use super::{Name, STALL, failed};

/// Largest piece of a file in one message.
const MAX_PIECE: usize = 256 * 1024;

fn part(named: &Named) -> Part {
    let file = &named.file;
    Part { hash: file.hash, size: file.size, site: file.site }
}

impl Service {
    pub(super) async fn answer_stat(
        &self,
        request: Request<v1::StatBlobRequest>,
    ) -> Result<v1::StatBlobResponse, Status> {
        let caller = self.caller(&request)?;
        let named = self.owed(&caller, Name::read(request.into_inner().name)?).await?;
        if self.holds(&named).await? {
            return Ok(v1::StatBlobResponse { held: named.file.size, whole: true });
        }
        let held = self.hub.blobs.begun(&part(&named)).await;
        Ok(v1::StatBlobResponse { held, whole: false })
    }

    pub(super) async fn answer_put(
        &self,
        request: Request<Streaming<v1::PutBlobRequest>>,
    ) -> Result<v1::PutBlobResponse, Status> {
        let caller = self.caller(&request)?;
        let _seat = self.transfer(&caller)?;
        let mut inbound = request.into_inner();
        let Some(Message::Open(open)) = next(&mut inbound).await? else {
            return Err(Status::invalid_argument("a file begins with an open"));
        };
        let named = self.owed(&caller, Name::read(open.name)?).await?;
        if self.holds(&named).await? {
            return Ok(v1::PutBlobResponse {});
        }
        let (blobs, store) = (self.hub.blobs.clone(), self.hub.store.clone());
        let part = part(&named);
        blobs.room(&store, &part).await.map_err(|error| failed(&error))?;
        let mut partial = blobs.resume(part).await.map_err(|error| failed(&error))?;
        if open.offset != partial.len() {
            return Err(Status::aborted("the file stands elsewhere; call Stat"));
        }
        self.receive(&caller, &mut inbound, &mut partial).await?;
        if !partial.is_whole() {
            partial.pause().await.map_err(|error| failed(&error))?;
            return Err(Status::aborted("the file ended early; call Stat and go on"));
        }
        // To its end, whether or not the caller waits for it.
        let now = self.hub.clock.now();
        let kept = self.hub.tasks.spawn(async move {
            blobs.keep(&store, partial, now, true).await?;
            let mut tx = store.write().await?;
            Edition::touch(&mut tx).await?;
            tx.commit().await.map_err(BlobError::from)
        });
        let kept = kept.await.map_err(|_| Status::internal("the file was not kept"))?;
        kept.map_err(|error| failed(&error))?;
        tracing::info!(site = %caller.site, size = part.size, "a file has come");
        Ok(v1::PutBlobResponse {})
    }

    async fn receive(
        &self,
        caller: &Caller,
        inbound: &mut Streaming<v1::PutBlobRequest>,
        partial: &mut Partial,
    ) -> Result<(), Status> {
        while !partial.is_whole() {
            let data = tokio::select! {
                () = self.hub.stop.cancelled() => return Ok(()),
                data = next(inbound) => data?,
            };
            let data = match data {
                Some(Message::Data(data)) if !data.is_empty() && data.len() <= MAX_PIECE => data,
                Some(_) => {
                    return Err(Status::invalid_argument(
                        "after the open come data, 1 byte to 256 KiB at a time",
                    ));
                }
                None => return Ok(()),
            };
            caller.now(&self.hub.members()).ok_or_else(no_longer_here)?;
            partial.append(&data).await.map_err(|error| failed(&error))?;
            let wait = self.hub.pace(caller.site, data.len() as u64);
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
        Ok(())
    }
}

async fn next(inbound: &mut Streaming<v1::PutBlobRequest>) -> Result<Option<Message>, Status> {
    let message = tokio::time::timeout(STALL, inbound.message()).await;
    let message = message.map_err(|_| Status::deadline_exceeded("nothing comes"))??;
    Ok(message.and_then(|it| it.message))
}
