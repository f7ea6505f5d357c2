//! Commands as bytes, sent to the TPM without the TSS libraries: tss-esapi 7.7 has no `TPM2_NV_Certify`, and its bindings would be `unsafe`.
//! TPM 2.0 Library, part 1 section 18 (form of commands) and part 3 (each command). Touches the TPM.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::error::TpmError;

/// `TPM_ST_NO_SESSIONS` and `TPM_ST_SESSIONS`, part 2 section 6.9.
const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;
/// `TPM_RH_OWNER`, part 2 section 7.4.
pub(crate) const OWNER: u32 = 0x4000_0001;
/// `TPM_RS_PW`: the authorisation is a password.
const PASSWORD: u32 = 0x4000_0009;
/// The largest response a TPM gives, bytes: `TPM_BUFFER_MAX` of the Linux driver.
const RESPONSE: usize = 4096;
/// How long the simulator may take for one command. The device's driver has limits of its own, up to minutes for a key.
const PATIENCE: Duration = Duration::from_secs(60);

/// A way to a TPM on which commands go as bytes. Handles live as long as it does.
pub(crate) enum Wire {
    /// The kernel's resource manager: one write is a command, one read its response.
    Device(File),
    /// swtpm's socket: commands and responses without anything around them. It may hang up after each.
    Simulator { address: String },
}

/// A command being put together.
pub(crate) struct Command {
    code: u32,
    handles: Vec<u8>,
    authorisations: Vec<u8>,
    parameters: Vec<u8>,
}

impl Wire {
    pub(crate) fn open(tcti: &str) -> Result<Self, TpmError> {
        let named = |found: Option<Self>| {
            found.ok_or_else(|| TpmError::Name {
                tcti: tcti.to_owned(),
            })
        };
        match tcti.split_once(':') {
            Some(("device", path)) => OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .map(Self::Device)
                .map_err(|source| TpmError::Device {
                    path: path.to_owned(),
                    source,
                }),
            Some(("swtpm", options)) => named(simulator(options)),
            _ => named(None),
        }
    }

    /// Sends a command; gives its response's handles and parameters, or the TPM's code.
    pub(crate) fn send(&mut self, command: &Command) -> Result<Answer, TpmError> {
        let lost = |source| TpmError::Wire { source };
        let response = match self {
            Self::Device(device) => {
                device.write_all(&command.bytes()).map_err(lost)?;
                let mut buffer = vec![0; RESPONSE];
                let read = device.read(&mut buffer).map_err(lost)?;
                buffer.truncate(read);
                buffer
            }
            Self::Simulator { address } => exchange(address, &command.bytes()).map_err(lost)?,
        };
        Answer::parse(response)
    }
}

/// `host=HOST,port=PORT`, as the TCTI reads it.
fn simulator(options: &str) -> Option<Wire> {
    let option = |name: &str| {
        options
            .split(',')
            .find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    };
    let (host, port) = (option("host").unwrap_or("127.0.0.1"), option("port")?);
    let port: u16 = port.parse().ok()?;
    Some(Wire::Simulator {
        address: format!("{host}:{port}"),
    })
}

fn exchange(address: &str, command: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(command)?;
    let mut header = [0; 10];
    stream.read_exact(&mut header)?;
    let [_, _, a, b, c, d, ..] = header;
    let size = u32::from_be_bytes([a, b, c, d]) as usize;
    let rest = size
        .checked_sub(header.len())
        .filter(|_| size <= RESPONSE)
        .ok_or(std::io::ErrorKind::InvalidData)?;
    let mut response = header.to_vec();
    response.resize(header.len().saturating_add(rest), 0);
    let body = response.get_mut(header.len()..).unwrap_or_default();
    stream.read_exact(body)?;
    Ok(response)
}

impl Command {
    pub(crate) fn new(code: u32) -> Self {
        Self {
            code,
            handles: Vec::new(),
            authorisations: Vec::new(),
            parameters: Vec::new(),
        }
    }

    /// A handle that needs no authorisation.
    pub(crate) fn handle(mut self, handle: u32) -> Self {
        self.handles.extend(handle.to_be_bytes());
        self
    }

    /// A handle that is authorised by its empty password.
    pub(crate) fn authorised(mut self, handle: u32) -> Self {
        self.authorisations.extend(PASSWORD.to_be_bytes());
        self.authorisations.extend([0; 5]); // no nonce, no attributes, no password
        self.handle(handle)
    }

    pub(crate) fn u16(mut self, value: u16) -> Self {
        self.parameters.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn u32(mut self, value: u32) -> Self {
        self.parameters.extend(value.to_be_bytes());
        self
    }

    /// A `TPM2B`: its length, then so many bytes. None of ours comes near the length's limit.
    pub(crate) fn sized(self, bytes: &[u8]) -> Self {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        let mut command = self.u16(length);
        command.parameters.extend(bytes);
        command
    }

    fn bytes(&self) -> Vec<u8> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut body = self.handles.clone();
        let tag = if self.authorisations.is_empty() {
            NO_SESSIONS
        } else {
            body.extend(length(&self.authorisations).to_be_bytes());
            body.extend(&self.authorisations);
            SESSIONS
        };
        body.extend(&self.parameters);
        let size = length(&body).saturating_add(10);
        [
            tag.to_be_bytes().as_slice(),
            &size.to_be_bytes(),
            &self.code.to_be_bytes(),
            &body,
        ]
        .concat()
    }
}

/// What follows the header of a response that is no error.
pub(crate) struct Answer {
    body: Vec<u8>,
    at: usize,
}

impl Answer {
    fn parse(response: Vec<u8>) -> Result<Self, TpmError> {
        let mut answer = Self {
            body: response,
            at: 0,
        };
        answer.take(2)?;
        answer.u32()?;
        match answer.u32()? {
            0 => Ok(answer),
            code => Err(TpmError::Code { code }),
        }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&[u8], TpmError> {
        let end = self.at.saturating_add(length);
        let taken = self.body.get(self.at..end);
        let taken = taken.ok_or(TpmError::unexpected("a whole response"))?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TpmError> {
        self.take(N)?
            .try_into()
            .map_err(|_| TpmError::unexpected("a whole response"))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, TpmError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, TpmError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn sized(&mut self) -> Result<Vec<u8>, TpmError> {
        let length = self.u16()?;
        self.take(usize::from(length)).map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_laid_out_as_part_3_says() {
        // TPM2_NV_Increment of index 0x0180c100 by its own empty password.
        let command = Command::new(0x134)
            .authorised(0x0180_c100)
            .handle(0x0180_c100);
        let expected = [
            &[0x80, 0x02, 0, 0, 0, 31, 0, 0, 1, 0x34][..],
            &[0x01, 0x80, 0xc1, 0x00, 0x01, 0x80, 0xc1, 0x00],
            &[0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0],
        ]
        .concat();
        assert_eq!(command.bytes(), expected);
    }

    #[test]
    fn a_short_or_failed_response_is_an_error() {
        assert!(Answer::parse(vec![0x80, 0x01, 0, 0]).is_err());
        let refused = Answer::parse(vec![0x80, 0x01, 0, 0, 0, 10, 0, 0, 1, 0x8b]);
        assert!(matches!(refused, Err(TpmError::Code { code: 0x18b })));
        let mut answer = Answer::parse(vec![0x80, 0x01, 0, 0, 0, 12, 0, 0, 0, 0, 0, 9]).unwrap();
        assert!(answer.sized().is_err());
    }

    #[test]
    fn names_of_simulators_are_read_as_the_tcti_reads_them() {
        for (tcti, expected) in [
            ("swtpm:host=127.0.0.1,port=2321", Some("127.0.0.1:2321")),
            ("swtpm:port=7", Some("127.0.0.1:7")),
            ("swtpm:", None),
            ("swtpm:port=x", None),
            ("mssim:port=7", None),
        ] {
            let found = match Wire::open(tcti) {
                Ok(Wire::Simulator { address }) => Some(address),
                _ => None,
            };
            assert_eq!(found.as_deref(), expected, "{tcti}");
        }
    }
}
