//! The pages, asked through their router over a store that was filled through the door.

mod ops;
mod pages;
mod secrets;
mod server;
mod world;
