//! The two machines, walked from end to end; `neap_tests::model` tells what they are and by which
//! rules they are judged. `-- --nocapture` prints how many states there are.

mod connection;
mod server;
mod table;
