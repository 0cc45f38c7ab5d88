#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lianbo_tests::fuzz::feed(data));
