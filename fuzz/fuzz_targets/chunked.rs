//! `neap_tests::fuzzing::chunked`, for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| neap_tests::fuzzing::chunked(input));
