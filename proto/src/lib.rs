//! The wire format of Lianbo. Nothing here knows what the messages mean; the `.proto` files beside
//! this crate say it, field by field.

pub mod bounded;

/// Package `lianbo.v1`, as generated.
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    missing_debug_implementations,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("lianbo.v1");
}

/// The encoded `FileDescriptorSet` of package `lianbo.v1`, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lianbo.v1.bin"));
