//! Memory files that nobody changes any more.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// A memory file with `bytes`, positioned at the first, that nobody can write to, shorten or lengthen (memfd_create(2)): a
/// program that gets it reads these bytes, whatever becomes of us.
pub fn file(bytes: &[u8]) -> io::Result<File> {
    let file = File::from(memfd_create(c"message", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    file.write_all_at(bytes, 0)?;
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn it_is_read_from_its_beginning_and_never_written() {
        let mut file = file(b"a message\n").expect("a memory file");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("read");
        assert_eq!(text, "a message\n");
        assert!(file.write_all(b"more").is_err() && file.set_len(3).is_err());
        assert!(file.write_all_at(b"A", 0).is_err());
    }
}
