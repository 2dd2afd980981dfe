#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| quarrel_faultproxy::fuzzing::redis(input));
