//! The API over a real Unix socket, spoken to by the command's own client.

mod document;
mod following;
mod intake;
mod package;
mod papers;
mod reads;
mod tls;
mod uploads;
mod wishes;
mod world;
