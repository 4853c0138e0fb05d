//! Listening sockets on their way from one shim to another that takes its place: both sides.

use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::{Errno, IoSlice, IoSliceMut};
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use wire::frame;
use wire::shim::{Answer, Command, Lend, Lent, Listen, SOCKET_FILE};

use crate::listen::MOST;

/// How long the other shim may take for an answer; meanwhile this one, which runs nothing yet, does nothing else.
const ANSWER: Duration = Duration::from_secs(5);
/// Bytes of an answer: addresses.
const MOST_BYTES: usize = 16 * 1024;

/// Sends the sockets and what they were made for. The answer is small and the first on its connection: it goes whole, or
/// the other shim is none.
pub(crate) fn lend(to: impl AsFd, request: u64, listen: &[Listen], sockets: &[OwnedFd]) -> Result<(), Errno> {
    let listen = listen.iter().take(sockets.len()).cloned().collect();
    let mut bytes = Vec::new();
    Answer::Lent(Lent { listen }).put_frame(request, &mut bytes).map_err(|_| Errno::MSGSIZE)?;
    let sockets: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(Errno::MSGSIZE);
    }
    match net::sendmsg(to, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)? {
        sent if sent == bytes.len() => Ok(()),
        _ => Err(Errno::MSGSIZE),
    }
}

/// Asks the shim in this run folder for its sockets.
pub(crate) fn borrow(run: &Path) -> Result<Vec<(Listen, OwnedFd)>, String> {
    let failed = |error: Errno| {
        let error = std::io::Error::from(error);
        format!("could not take over the listening sockets of the shim in {}: {error}", run.display())
    };
    let socket = connect(run).map_err(failed)?;
    let mut sockets = Vec::new();
    let answer = ask(&socket, &mut sockets).map_err(failed)?;
    match answer {
        Answer::Lent(lent) if lent.listen.len() == sockets.len() => {
            Ok(lent.listen.into_iter().zip(sockets).collect())
        }
        Answer::Refused(refused) => {
            Err(format!("the shim in {} does not lend its sockets: {}", run.display(), refused.text))
        }
        _ => Err(failed(Errno::BADMSG)),
    }
}

/// As a run folder's path may be longer than an address, it goes over the folder's descriptor.
fn connect(run: &Path) -> Result<OwnedFd, Errno> {
    let folder = fs::openat(CWD, run, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH, Mode::empty())?;
    let name = format!("/proc/self/fd/{}/{SOCKET_FILE}", folder.as_raw_fd());
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    for direction in [sockopt::Timeout::Recv, sockopt::Timeout::Send] {
        sockopt::set_socket_timeout(&socket, direction, Some(ANSWER))?;
    }
    net::connect(&socket, &SocketAddrUnix::new(name.as_str())?)?;
    Ok(socket)
}

fn ask(socket: &OwnedFd, sockets: &mut Vec<OwnedFd>) -> Result<Answer, Errno> {
    let mut question = Vec::new();
    Command::Lend(Lend {}).put_frame(1, &mut question).map_err(|_| Errno::MSGSIZE)?;
    net::send(socket, &question, SendFlags::NOSIGNAL)?;
    let mut bytes = Vec::new();
    loop {
        if receive(socket, &mut bytes, sockets)? == 0 || bytes.len() > MOST_BYTES {
            return Err(Errno::BADMSG);
        }
        if let Some((frame, _)) = frame::split(&bytes).map_err(|_| Errno::BADMSG)? {
            return Answer::from_frame(&frame).ok().flatten().ok_or(Errno::BADMSG);
        }
    }
}

fn receive(socket: &OwnedFd, bytes: &mut Vec<u8>, sockets: &mut Vec<OwnedFd>) -> Result<usize, Errno> {
    let mut buffer = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        net::recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            sockets.extend(descriptors);
        }
    }
    bytes.extend_from_slice(&buffer[..received.bytes]);
    Ok(received.bytes)
}
