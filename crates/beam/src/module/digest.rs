//! What `beam_lib:md5/1` and `Module:module_info(md5)` say of a module.

use md5::{Digest, Md5};

use super::Module;

/// The chunks that count, in this order.
const ESSENTIAL: [&[u8; 4]; 9] =
    [b"Atom", b"AtU8", b"Code", b"StrT", b"ImpT", b"ExpT", b"FunT", b"LitT", b"Meta"];

/// Bytes of a row of `FunT`, of which the last four do not count.
const CLOSURE: usize = 24;

impl Module {
    /// The MD5 of the chunks that make its code, equal to `beam_lib:md5/1`.
    pub fn md5(&self) -> [u8; 16] {
        let mut md5 = Md5::new();
        for id in ESSENTIAL {
            match self.chunk(id) {
                Some(table) if id == b"FunT" => closures(&mut md5, table),
                Some(chunk) => md5.update(chunk),
                None => {}
            }
        }
        md5.finalize().into()
    }
}

/// The last number of each row is made of the digest itself.
fn closures(md5: &mut Md5, table: &[u8]) {
    let Some((count, rows)) = table.split_at_checked(4) else { return md5.update(table) };
    md5.update(count);
    let rows = rows.chunks_exact(CLOSURE);
    let rest = rows.remainder();
    for row in rows {
        md5.update(&row[..CLOSURE - 4]);
        md5.update([0; 4]);
    }
    md5.update(rest);
}
