//! `neap_tests::fuzzing::reply`, for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| neap_tests::fuzzing::reply(input));
