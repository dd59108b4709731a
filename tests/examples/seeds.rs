//! Adds what a fuzzer begins with to the corpora in `fuzz/corpus`: `fuzz/README.md` says when.

use std::fs;
use std::io;
use std::path::Path;

use neap_tests::fuzzing::seeds;

fn main() -> io::Result<()> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let seeds = seeds();
    for (number, seed) in seeds.iter().enumerate() {
        let folder = corpora.join(seed.target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("seed-{number}")), &seed.input)?;
    }
    println!("{} seeds written", seeds.len());
    Ok(())
}
