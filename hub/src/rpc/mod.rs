//! The services a hub offers, to the sites beneath it and to harvesters; one verb per file.

mod blob;
mod caller;
pub(crate) mod cursor;
mod enrol;
mod follow;
mod gate;
mod harvest;
mod hello;
mod lines;
pub mod messages;
mod offer;
mod pull;
mod push;
mod refusal;
pub(crate) mod seats;

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::routing::post;
use futures_util::Stream;
use lianbo_node::link::tls::PeerInfo;
use lianbo_node::scope::Scope;
use lianbo_node::wire::MAX_FRAME;
use lianbo_proto::v1;
use lianbo_proto::v1::blobs_server::BlobsServer;
use lianbo_proto::v1::enrol_server::EnrolServer;
use lianbo_proto::v1::harvest_server::HarvestServer;
use lianbo_proto::v1::sync_server::SyncServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

use crate::hub::Hub;

/// Bytes a follower may leave unacknowledged.
pub(crate) const WINDOW: usize = 4 * 1024 * 1024;
/// Largest request: a frame and its wrapping.
const MAX_MESSAGE: usize = MAX_FRAME + 64 * 1024;
/// Largest request where none carries a frame.
const MAX_SMALL: usize = 64 * 1024;
/// Largest request that carries a piece of a file.
const MAX_PIECE: usize = 512 * 1024;
/// Where Follow is.
const FOLLOW: &str = "/lianbo.v1.Sync/Follow";

/// The services of one listener, by its scope.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    hub: Arc<Hub>,
    listener: Scope,
}

/// Serves one listener until the hub stops.
///
/// `incoming` says of each connection who is at its other end.
pub async fn serve<IO>(
    hub: Arc<Hub>,
    listener: Scope,
    incoming: impl Stream<Item = std::io::Result<IO>> + Send + 'static,
) where
    IO: AsyncRead + AsyncWrite + Connected<ConnectInfo = PeerInfo> + Unpin + Send + 'static,
{
    let stop = hub.stop.clone();
    let gate = |sites_only| gate::Gate::new(hub.calls.clone(), sites_only);
    let (for_sites, for_anybody) = (gate(true), gate(false));
    let questions = from_fn_with_state(hub.questions.clone(), gate::turn);
    let service = Service { hub, listener };
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<SyncServer<Service>>().await;
    reporter.set_serving::<EnrolServer<Service>>().await;
    reporter.set_serving::<HarvestServer<Service>>().await;
    reporter.set_serving::<BlobsServer<Service>>().await;
    let sync = SyncServer::new(service.clone())
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let follow = service.clone();
    let blobs = BlobsServer::new(service.clone()).max_decoding_message_size(MAX_PIECE);
    let enrol = EnrolServer::new(service.clone()).max_decoding_message_size(MAX_SMALL);
    let harvest = HarvestServer::new(service).max_decoding_message_size(MAX_SMALL);
    let mut routes = Routes::default();
    routes = routes
        .add_service(InterceptedService::new(sync, for_sites.clone()))
        .add_service(InterceptedService::new(blobs, for_sites.clone()))
        .add_service(InterceptedService::new(enrol, for_anybody.clone()))
        .add_service(InterceptedService::new(harvest, for_anybody))
        .add_service(health);
    // The older version too: not every client asks for the newer one.
    if let (Ok(v1), Ok(v1alpha)) = (reflected().build_v1(), reflected().build_v1alpha()) {
        routes = routes.add_service(v1).add_service(v1alpha);
    }
    // Follow goes past tonic's reader and encoder, which keep their largest buffers for as long as a call lasts.
    let router = std::mem::take(routes.axum_router_mut());
    *routes.axum_router_mut() = router
        .route(FOLLOW, post(async move |request| follow.serve_follow(for_sites, request).await))
        .layer(questions);
    lines::serve(routes.prepare().into_axum_router(), incoming, stop).await;
}

fn reflected() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(lianbo_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

#[tonic::async_trait]
impl v1::sync_server::Sync for Service {
    async fn hello(
        &self,
        request: Request<v1::HelloRequest>,
    ) -> Result<Response<v1::HelloResponse>, Status> {
        self.answer_hello(request).await.map(Response::new)
    }

    type PushStream = push::PushStream;

    async fn push(
        &self,
        request: Request<Streaming<v1::PushRequest>>,
    ) -> Result<Response<Self::PushStream>, Status> {
        self.answer_push(request).map(Response::new)
    }

    async fn pull(
        &self,
        request: Request<v1::PullRequest>,
    ) -> Result<Response<v1::PullResponse>, Status> {
        Box::pin(self.answer_pull(request)).await.map(Response::new)
    }

    type FollowStream = follow::FollowStream;

    async fn follow(
        &self,
        request: Request<Streaming<v1::FollowRequest>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let caller = self.caller(&request)?;
        self.answer_follow(caller, request.into_inner()).await.map(Response::new)
    }

    async fn offer(
        &self,
        request: Request<v1::OfferRequest>,
    ) -> Result<Response<v1::OfferResponse>, Status> {
        self.answer_offer(request).await.map(Response::new)
    }
}
