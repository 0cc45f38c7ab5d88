//! Decoders of hostile bytes: the committed corpus, and short runs of mutations of it, on stable.

use std::path::{Path, PathBuf};

use lianbo_tests::fuzz::{TARGETS, Target, seeds};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder(target))
        .unwrap_or_else(|error| panic!("no corpus for {target}: {error}"))
        .map(|file| file.unwrap().path())
        .collect();
    files.sort_unstable();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn every_file_of_the_corpus_passes_its_target() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has seeds");
        for data in corpus {
            target(&data);
        }
    }
}

/// One thing that befalls bytes on their way.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index),
    Drop(Index, usize),
    Insert(Index, Vec<u8>),
    Double(Index, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = || any::<Index>();
    prop_oneof![
        (at(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, 1 << bit)),
        (at(), prop_oneof![Just(0), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()])
            .prop_map(|(at, byte)| Mutation::Set(at, byte)),
        at().prop_map(Mutation::Cut),
        (at(), 1..40usize).prop_map(|(at, count)| Mutation::Drop(at, count)),
        (at(), proptest::collection::vec(any::<u8>(), 1..12))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at(), 1..200usize).prop_map(|(at, count)| Mutation::Double(at, count)),
    ]
}

fn mutate(data: &mut Vec<u8>, mutation: &Mutation) {
    if data.is_empty() {
        return;
    }
    let end = |at: usize, count: usize, length: usize| (at + count).min(length);
    match mutation {
        Mutation::Flip(at, bits) => {
            let at = at.index(data.len());
            data[at] ^= bits;
        }
        Mutation::Set(at, byte) => {
            let at = at.index(data.len());
            data[at] = *byte;
        }
        Mutation::Cut(at) => data.truncate(at.index(data.len())),
        Mutation::Drop(at, count) => {
            let at = at.index(data.len());
            data.drain(at..end(at, *count, data.len()));
        }
        Mutation::Insert(at, bytes) => {
            let at = at.index(data.len());
            data.splice(at..at, bytes.iter().copied());
        }
        Mutation::Double(at, count) => {
            let at = at.index(data.len());
            let again = data[at..end(at, *count, data.len())].to_vec();
            data.splice(at..at, again);
        }
    }
}

fn mutated(name: &str, target: Target, cases: u32) {
    let corpus = corpus(name);
    let strategy = (any::<Index>(), proptest::collection::vec(mutation(), 1..5));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&strategy, |(which, mutations)| {
            let mut data = corpus[which.index(corpus.len())].clone();
            for mutation in &mutations {
                mutate(&mut data, mutation);
            }
            target(&data);
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_mutation_of_the_corpus_makes_a_decoder_panic() {
    for (name, target) in TARGETS {
        // A recovery file whose checksum holds costs half a second.
        let cases = if *name == "recovery" { 100 } else { 1_500 };
        mutated(name, *target, cases);
    }
}

#[test]
fn a_frame_of_mutated_entries_does_not_make_a_decoder_panic() {
    let corpus = corpus("frame");
    let strategy = proptest::collection::vec(mutation(), 1..5);
    let config = Config { cases: 500, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&strategy, |mutations| {
            for frame in &corpus {
                let mut raw = zstd::bulk::decompress(frame, 1 << 20).unwrap();
                for mutation in &mutations {
                    mutate(&mut raw, mutation);
                }
                lianbo_tests::fuzz::frame(&zstd::bulk::compress(&raw, 1).unwrap());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
#[ignore = "writes the seeds into tests/fuzz/corpus; run it after a kind of record was added"]
fn write_the_seeds() {
    for (target, name, data) in seeds() {
        std::fs::create_dir_all(folder(target)).unwrap();
        std::fs::write(folder(target).join(name), data).unwrap();
    }
}
