use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::{decode, encode, encoded};
use crate::{Error, Result, Time};

/// What a checkpoint is: what everybody has to know to go on after the batch at [`time`](Self::time).
///
/// It names the units of the operators by their place in data files, so that what has not changed is written once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Checkpoints of a directory are numbered, from 1.
    pub(crate) generation: u64,
    pub(crate) app_name: String,
    /// The time before the first batch that ever was; all batch times are counted from it.
    pub(crate) zero: Time,
    /// The last batch that is in it. That batch and all before it are complete.
    pub(crate) time: Time,
    pub(crate) batch_interval: Duration,
    pub(crate) operators: Vec<OperatorEntry>,
    pub(crate) inputs: Vec<InputEntry>,
    pub(crate) receivers: Vec<ReceiverEntry>,
    pub(crate) accumulators: Vec<AccumulatorEntry>,
    /// Whose it is, in a store that has no lock. It stands behind the rest, where earlier programs do not look.
    #[serde(skip)]
    pub(crate) owner: Option<String>,
}

/// What there is of an operator that carries something from batch to batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OperatorEntry {
    pub(crate) id: String,
    /// The operator and where the program defined it, for people.
    pub(crate) description: String,
    /// What program and checkpoint must agree on.
    pub(crate) types: String,
    /// The number of its last batch.
    pub(crate) number: u32,
    /// Its keys, for people.
    pub(crate) keys: u64,
    pub(crate) rest: Vec<u8>,
    pub(crate) units: Vec<UnitEntry>,
}

/// Where the content of a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnitEntry {
    pub(crate) id: u64,
    /// The generation whose data file has it.
    pub(crate) file: u64,
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

/// How far an input is that makes its batches by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InputEntry {
    pub(crate) stream: u32,
    pub(crate) name: String,
    /// In the input's own words.
    pub(crate) position: Vec<u8>,
}

/// How far the blocks of a receiver are used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReceiverEntry {
    pub(crate) stream: u32,
    pub(crate) name: String,
    /// The number of the first segment that belongs to a later batch.
    pub(crate) next: u64,
    /// How far its sources are with the segments before.
    pub(crate) marks: BTreeMap<String, u64>,
}

/// The value of a named accumulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccumulatorEntry {
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

/// Every manifest begins with it.
const MAGIC: [u8; 8] = *b"MSCKPT\r\n";

/// The version of the format that this program writes; it reads all up to it.
pub(crate) const FORMAT: u32 = 1;

/// Magic, version, length and checksum of what follows.
const HEAD: usize = MAGIC.len() + 4 + 8 + 4;

impl Manifest {
    /// The file's bytes.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut body = encoded(self)?;
        if let Some(owner) = &self.owner {
            encode(owner, &mut body)?;
        }
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c_append(crc32c::crc32c(&bytes), &body).to_le_bytes());
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let head = bytes.get(..HEAD).ok_or_else(|| Damage::Broken("it is cut off".to_owned()))?;
        let (magic, rest) = head.split_at(MAGIC.len());
        let (format, rest) = rest.split_at(4);
        let (len, crc) = rest.split_at(8);
        if magic != MAGIC {
            return Err(Damage::Broken("it does not begin as a manifest does".to_owned()));
        }
        let format = format.iter().rev().fold(0u32, |number, byte| number << 8 | u32::from(*byte));
        let len = len.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        let body = &bytes[HEAD..];
        if body.len() as u64 != len {
            return Err(Damage::Broken(format!("it has {} bytes of {len}", body.len())));
        }
        if crc32c::crc32c_append(crc32c::crc32c(&head[..HEAD - 4]), body).to_le_bytes() != crc {
            return Err(Damage::Broken("its checksum does not fit".to_owned()));
        }
        // Only now: what looks like a newer version may be a flipped bit, and then the checkpoint before this one is good.
        if format > FORMAT {
            return Err(Damage::Newer(format));
        }
        Manifest::from_body(body).map_err(|error| Damage::Broken(error.to_string()))
    }

    fn from_body(mut body: &[u8]) -> Result<Self> {
        let mut manifest: Manifest = decode(&mut body)?;
        if !body.is_empty() {
            manifest.owner = Some(decode(&mut body)?);
        }
        Ok(manifest)
    }
}

/// Why a manifest cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// It is not what was written.
    Broken(String),
    /// A later version of the program has written it, in this format.
    Newer(u32),
}

impl Damage {
    /// What to tell the one who must act.
    pub(super) fn into_error(self, file: &str) -> Error {
        Error::Recovery(match self {
            Damage::Broken(reason) => format!("{file}: {reason}"),
            Damage::Newer(format) => format!(
                "{file} has format {format}, and this program reads formats up to {FORMAT}: it was written by a newer version of \
                 Millstream. Start that version, or another checkpoint directory"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            generation: 7,
            app_name: "a program".to_owned(),
            zero: Time::from_millis(1_000),
            time: Time::from_millis(61_000),
            batch_interval: Duration::from_secs(1),
            operators: vec![OperatorEntry {
                id: "counts".to_owned(),
                description: "map_with_state (main.rs:7)".to_owned(),
                types: "map_with_state: u64 by Text".to_owned(),
                number: 60,
                keys: 5,
                rest: vec![1, 0],
                units: vec![UnitEntry { id: 3, file: 6, offset: 16, len: 99, crc: 0xdead_beef }],
            }],
            inputs: vec![InputEntry { stream: 0, name: "files [0]".to_owned(), position: vec![4, 5] }],
            receivers: vec![ReceiverEntry {
                stream: 1,
                name: "socket [1]".to_owned(),
                next: 1 << 40,
                marks: BTreeMap::from([("web-1".to_owned(), 1_200)]),
            }],
            accumulators: vec![AccumulatorEntry { name: "malformed".to_owned(), value: vec![9] }],
            owner: None,
        }
    }

    #[test]
    fn it_comes_back_as_it_was() {
        let manifest = manifest();
        let owned = Manifest { owner: Some("17".to_owned()), ..manifest.clone() };
        for manifest in [manifest, owned] {
            assert_eq!(Manifest::from_bytes(&manifest.to_bytes().unwrap()), Ok(manifest));
        }
    }

    /// What released versions have written is read for ever; the owner came later than the rest.
    #[test]
    fn the_first_version_is_read_with_and_without_an_owner() {
        let owned = Manifest { owner: Some("17".to_owned()), ..manifest() };
        for (golden, manifest) in [(WITHOUT_OWNER, manifest()), (WITH_OWNER, owned)] {
            let bytes: Vec<u8> = (0..golden.len())
                .step_by(2)
                .map(|i| u8::from_str_radix(&golden[i..i + 2], 16).unwrap())
                .collect();
            assert_eq!(manifest.to_bytes().unwrap(), bytes);
            assert_eq!(Manifest::from_bytes(&bytes), Ok(manifest));
        }
    }

    const WITHOUT_OWNER: &str = "4d53434b50540d0a010000009800000000000000211f56650709612070726f6772616dd00f90b90701000106636f756e74731a6d6170\
         5f776974685f737461746520286d61696e2e72733a37291b6d61705f776974685f73746174653a2075363420627920546578743c0502\
         01000103061063effdb6f50d01000966696c6573205b305d02040501010a736f636b6574205b315d80808080802001057765622d31b0\
         0901096d616c666f726d65640109";

    const WITH_OWNER: &str = "4d53434b50540d0a010000009b00000000000000166871470709612070726f6772616dd00f90b90701000106636f756e74731a6d6170\
         5f776974685f737461746520286d61696e2e72733a37291b6d61705f776974685f73746174653a2075363420627920546578743c0502\
         01000103061063effdb6f50d01000966696c6573205b305d02040501010a736f636b6574205b315d80808080802001057765622d31b0\
         0901096d616c666f726d65640109023137";

    #[test]
    fn no_flipped_bit_and_no_cut_goes_unnoticed() {
        let bytes = manifest().to_bytes().unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Manifest::from_bytes(&flipped), Err(Damage::Broken(_))), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(matches!(Manifest::from_bytes(&bytes[..len]), Err(Damage::Broken(_))), "cut at {len}");
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let mut bytes = manifest().to_bytes().unwrap();
        bytes[8] = 2;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..HEAD - 4]), &bytes[HEAD..]);
        bytes[HEAD - 4..HEAD].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Manifest::from_bytes(&bytes), Err(Damage::Newer(2)));
        let error = Damage::Newer(2).into_error("x.manifest").to_string();
        assert!(error.contains("format 2") && error.contains("up to 1"), "{error}");
    }
}
