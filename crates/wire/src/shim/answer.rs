//! What a shim says to the daemon.

use super::event::Event;
use super::start::Listen;
use super::status::Status;
use crate::field::{Blob, message, message_enum, number_enum};

message_enum! {
    /// A message from a shim.
    pub enum Answer {
        /// To Hello.
        101 => Welcome(Welcome),
        /// To any request that has nothing to say but yes.
        102 => Done(Done),
        /// To any request, with the reason.
        103 => Refused(Refused),
        /// To Status.
        104 => Status(Status),
        /// To Tail.
        105 => Output(Output),
        /// Unasked, in order.
        106 => Event(Event),
        /// To Lend.
        140 => Lent(Lent),
    }
}

message! {
    /// Who answers.
    pub struct Welcome {
        /// Protocol version spoken on this connection.
        1 => pub version: u32,
        /// The id the shim was spawned for: its run folder's name.
        2 => pub id: String,
        /// `/proc/sys/kernel/random/boot_id` of the boot it runs in.
        3 => pub boot_id: String,
        /// The shim's own process, for people; never to be signalled.
        4 => pub pid: u32,
        /// Value of [`super::MARK_VARIABLE`] in the environment of its child.
        5 => pub mark: String,
        /// What it is doing.
        6 => pub status: Status,
        /// Version of the shim's program.
        7 => pub program_version: String,
    }
}

message! {
    /// Yes; no fields.
    pub struct Done {}
}

number_enum! {
    /// Why a request was refused.
    pub enum Refusal {
        /// The reason is only in the text.
        Other = 0,
        /// No protocol version in common.
        Version = 1,
        /// A daemon with a higher epoch has spoken before.
        Epoch = 2,
        /// Something else than Hello came first.
        NoHello = 3,
        /// Another daemon connection took over; this one is closed.
        TakenOver = 4,
        /// The shim's version does not know the message.
        UnknownMessage = 5,
        /// The request makes no sense in this state.
        State = 6,
        /// A field of the request is missing or wrong.
        Invalid = 7,
        /// What must be on disk first could not be written.
        Disk = 8,
    }
}

message! {
    /// No.
    pub struct Refused {
        /// The sort of reason.
        1 => pub refusal: Refusal,
        /// The reason, for people.
        2 => pub text: String,
    }
}

message! {
    /// The end of the output.
    pub struct Output {
        /// Both streams as they came.
        1 => pub bytes: Blob,
    }
}

message! {
    /// The sockets that come with this.
    pub struct Lent {
        /// What each of them was made for, in order.
        1 => pub listen: Vec<Listen>,
    }
}
