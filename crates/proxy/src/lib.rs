//! The data plane: HTTP from clients to instances, by a table of routes.

pub mod own_answer;
pub mod stream_end;
pub mod tls;
pub mod websocket;
