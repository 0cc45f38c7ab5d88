//! Hostile input to every open port of a real hub: each is refused clearly, the hub stays small, and an honest
//! node beside it is served as before.
//!
//! `LIANBO_TEST_HOSTILE=full` runs everything at its full size: a million streams, slow attackers until they
//! are cut. `LIANBO_TEST_HOSTILE_ONLY=bomb` runs the attacks with this in their name.

mod calls;
mod connections;
mod frames;
mod ground;
mod honest;
mod http1;
mod machines;
mod memory;
mod pages;
mod raw;
mod scenario;
mod share;
mod stalls;

#[test]
fn a_site_that_never_stops_is_given_its_share_of_the_machine_and_no_more() {
    share::never_stops();
}

#[test]
fn a_site_that_calls_anew_is_given_no_more_than_one_that_stays() {
    share::calls_anew();
}

#[test]
fn the_port_for_sites_withstands_what_comes_before_a_call() {
    scenario::run(connections::scenarios().into_iter().chain(frames::scenarios()));
}

#[test]
fn the_port_for_sites_withstands_hostile_calls() {
    scenario::run(calls::scenarios().into_iter().chain(stalls::scenarios()));
}

#[test]
fn the_ports_for_pages_and_figures_withstand_hostile_visitors() {
    scenario::run(pages::scenarios());
}
