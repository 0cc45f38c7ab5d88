//! Compiles the `.proto` files without `protoc` and keeps the descriptors for reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 6] = [
    "lianbo/v1/entry.proto",
    "lianbo/v1/record.proto",
    "lianbo/v1/sync.proto",
    "lianbo/v1/enrol.proto",
    "lianbo/v1/harvest.proto",
    "lianbo/v1/blob.proto",
];

#[expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts through the environment"
)]
fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("lianbo.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .codec_path("crate::bounded::BoundedCodec")
        .compile_fds(descriptors)?;
    Ok(())
}
