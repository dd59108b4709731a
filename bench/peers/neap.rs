//! neap on its own reactor.

use std::error::Error;

use neap_smol::Reactor;

fn main() -> Result<(), Box<dyn Error>> {
    neap_bench::neap::serve(Reactor::Own)
}
