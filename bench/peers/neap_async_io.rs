//! neap on the reactor of async-io.

use std::error::Error;

use neap_smol::Reactor;

fn main() -> Result<(), Box<dyn Error>> {
    neap_bench::neap::serve(Reactor::AsyncIo)
}
