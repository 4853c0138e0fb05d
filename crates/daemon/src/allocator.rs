//! Keeps glibc's allocator from holding on to what a deployment needed for a moment: the daemon rests most of its life.
//!
//! By itself glibc gives each thread an arena of its own, none of which is given back as a whole, and treats ever
//! larger blocks as worth keeping. Measured after a deployment of three instances: see `bench/README.md`.

#![allow(unsafe_code)]

/// Arenas for all threads together. The daemon's threads rarely allocate at the same moment.
#[cfg(target_env = "gnu")]
const ARENAS: libc::c_int = 1;

/// Blocks of this size and above are mappings of their own, gone when freed; also what may lie free at a heap's end.
#[cfg(target_env = "gnu")]
const KEPT_BYTES: libc::c_int = 32 * 1024;

/// To be called before any thread is started.
#[cfg(target_env = "gnu")]
pub fn keep_little() {
    for (setting, value) in [
        (libc::M_ARENA_MAX, ARENAS),
        (libc::M_MMAP_THRESHOLD, KEPT_BYTES),
        (libc::M_TRIM_THRESHOLD, KEPT_BYTES),
    ] {
        // SAFETY: it sets a number inside of the allocator, and no other thread exists yet. Refused, it changes nothing.
        unsafe { libc::mallopt(setting, value) };
    }
}

/// Other allocators have no such habits.
#[cfg(not(target_env = "gnu"))]
pub fn keep_little() {}
