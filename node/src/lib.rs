//! One Lianbo site. From the ground up: the pure floor (`entry`, `scope`, `heights`, `identity`),
//! what keeps (`store`), the one door in (`ingest`), what entries mean (`content`), what moves them
//! (`wire`, `sync`, `link`), what shows them (`web`), and the wiring (`config`, `clock`, `lifecycle`, `cli`).

pub mod blobs;
pub mod cli;
pub mod clock;
pub mod config;
pub mod content;
pub mod cores;
pub mod duties;
pub mod entry;
pub mod heights;
pub mod identity;
pub mod ingest;
pub mod journal;
pub mod lifecycle;
pub mod link;
pub mod ops;
pub mod scope;
pub mod serve;
pub mod store;
pub mod sync;
pub mod web;
pub mod wire;
