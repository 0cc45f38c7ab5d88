//! The pages, asked through their router over a store that was filled through the door.

mod cache;
mod ops;
mod pages;
mod secrets;
mod server;
mod units;
mod views;
mod world;
