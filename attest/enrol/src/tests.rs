//! Requests and answers as an attacker would send them. Each refusal has its twin, the same thing unchanged, which is taken.

use cloister_attest::{Attestation, hex};
use proptest::prelude::*;
use zeroize::Zeroizing;

use crate::{
    Answer, Challenge, Checked, Drawn, EndorsementKey, EnrolError, Makers, Moment, Pending,
    Request, Trusting, make_credential,
};

/// An attestation key, an RSA endorsement key with its certificate, and one on P-256, all of a swtpm; and the authority that issued the certificate.
const AK: &str = include_str!("../testdata/ak.hex");
const EK_RSA: &str = include_str!("../testdata/ek-rsa.hex");
const EK_P256: &str = include_str!("../testdata/ek-p256.hex");
const CERTIFICATE: &str = include_str!("../testdata/certificate.hex");
const AUTHORITY: &[u8] = include_bytes!("../testdata/authority.pem");
const ROOT: &[u8] = include_bytes!("../testdata/root.pem");
/// When the certificate was a day old.
const NOW: u64 = 1_795_893_435;

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.trim()).unwrap()
}

fn request() -> Request {
    let device = "desk-7".to_owned();
    Request::new(device, Attestation::Tpm2Software, bytes(AK), bytes(EK_RSA))
        .certified(Some(bytes(CERTIFICATE)))
        .anchored_by(Some(0x0180_c100))
}

fn makers() -> Makers {
    Makers::default().trusting(AUTHORITY).unwrap()
}

fn read_at(request: &Request, makers: &Makers, seconds: u64) -> Result<Checked, EnrolError> {
    let text = request.to_text().unwrap();
    let at = Moment::from_unix(seconds);
    Checked::read(text.as_bytes(), Trusting::Makers(makers, at))
}

fn read(request: &Request) -> Result<Checked, EnrolError> {
    read_at(request, &makers(), NOW)
}

fn drawn(seed: u8) -> Drawn {
    Drawn {
        secret: Zeroizing::new([seed; 32]),
        seed: Zeroizing::new([seed.wrapping_add(1); 32]),
        lot: Zeroizing::new([seed.wrapping_add(2); 32]),
    }
}

#[test]
fn what_the_maker_certified_is_taken() {
    let checked = read(&request()).unwrap();
    let entry = checked.entry();
    assert_eq!(
        (entry.how(), entry.device()),
        ("credential-activated", "desk-7")
    );
    assert_eq!(entry.counter(), Some(0x0180_c100));
    let json = entry.to_json().unwrap();
    let ek = hex::encode(&checked.endorsement().name());
    assert!(json.contains(&format!("\"ek\":\"{ek}\"")), "{json}");
    // The authority may also stand between its root and the certificate.
    let over = Makers::default()
        .trusting(ROOT)
        .unwrap()
        .over(AUTHORITY)
        .unwrap();
    assert!(read_at(&request(), &over, NOW).is_ok());
}

#[test]
fn what_nobody_trusted_vouches_for_is_refused() {
    let certificate =
        |error: Result<Checked, EnrolError>| matches!(error, Err(EnrolError::Certificate(_)));
    assert!(
        certificate(read_at(&request(), &Makers::default(), NOW)),
        "no maker"
    );
    let root_alone = Makers::default().trusting(ROOT).unwrap();
    assert!(
        certificate(read_at(&request(), &root_alone, NOW)),
        "a link is missing"
    );
    let only_between = Makers::default()
        .over(AUTHORITY)
        .unwrap()
        .over(ROOT)
        .unwrap();
    assert!(
        certificate(read_at(&request(), &only_between, NOW)),
        "given, not trusted"
    );
    assert!(
        certificate(read_at(&request(), &makers(), NOW - 400 * 86_400)),
        "not yet valid"
    );
    let whole = bytes(CERTIFICATE);
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(
            certificate(read(&request().certified(Some(changed)))),
            "byte {at}"
        );
    }
    let none = read(&request().certified(None));
    assert!(matches!(none, Err(EnrolError::NoCertificate)));
    let text = request().certified(None).to_text().unwrap();
    let in_person = Checked::read(text.as_bytes(), Trusting::InPerson).unwrap();
    assert_eq!(in_person.entry().how(), "pinned-in-person");
}

#[test]
fn a_certificate_of_another_tpm_is_refused() {
    let mut ek = bytes(EK_RSA);
    let last = ek.len() - 2; // within the modulus, which stays odd
    ek[last] ^= 1;
    assert!(EndorsementKey::parse(&ek).is_ok());
    let device = "desk-7".to_owned();
    for other in [ek, bytes(EK_P256)] {
        let forged = Request::new(device.clone(), Attestation::Tpm2Software, bytes(AK), other);
        let refused = read(&forged.certified(Some(bytes(CERTIFICATE)))).unwrap_err();
        assert!(
            refused.to_string().ends_with("it is another key's"),
            "{refused}"
        );
    }
}

#[test]
fn keys_that_may_do_other_things_are_refused() {
    let device = || "desk-7".to_owned();
    // Each bit of the attributes but those that say nothing of what is signed: the attestation key's are bytes 4 to 7.
    for bit in [1, 4, 5, 16, 17, 18] {
        let mut ak = bytes(AK);
        ak[7 - bit / 8] ^= 1 << (bit % 8);
        let forged = Request::new(device(), Attestation::Tpm2Software, ak, bytes(EK_RSA));
        let refused = read(&forged.certified(Some(bytes(CERTIFICATE))));
        assert!(
            matches!(refused, Err(EnrolError::Attestation(_))),
            "bit {bit}"
        );
    }
    // Up to what differs from TPM to TPM, the template is the whole of it.
    for (ek, template) in [(bytes(EK_RSA), 58), (bytes(EK_P256), 56)] {
        assert!(EndorsementKey::parse(&ek).is_ok());
        for at in 0..template {
            let mut changed = ek.clone();
            changed[at] ^= 1;
            assert!(EndorsementKey::parse(&changed).is_err(), "byte {at}");
        }
        assert!(EndorsementKey::parse(&ek[..ek.len() - 1]).is_err());
        assert!(EndorsementKey::parse(&[ek.as_slice(), &[0]].concat()).is_err());
    }
    let none = Request::new(device(), Attestation::None, bytes(AK), bytes(EK_RSA));
    assert!(read(&none.certified(Some(bytes(CERTIFICATE)))).is_err());
    assert!(read(&request().anchored_by(Some(1))).is_err());
}

#[test]
fn the_right_answer_is_taken_once_and_no_other_is() {
    let (challenge, pending) = read(&request()).unwrap().challenge(&drawn(1)).unwrap();
    let (other, _) = read(&request().anchored_by(None))
        .unwrap()
        .challenge(&drawn(1))
        .unwrap();
    let kept = pending.to_text().unwrap();
    let again = || Pending::read(kept.as_bytes()).unwrap();
    let refused = |answer: &Answer| again().answered(answer).is_err();
    assert!(refused(&challenge.answer(&[2; 32])), "a guess");
    assert!(
        refused(&other.answer(&[1; 32])),
        "the same secret, another request"
    );
    let right = challenge.answer(&[1; 32]);
    let travelled = Answer::read(right.to_text().unwrap().as_bytes()).unwrap();
    assert_eq!(travelled, right);
    assert_eq!(again().answered(&right).unwrap().device(), "desk-7");
    // A replay to a later challenge of the same request: another secret.
    let (_, later) = read(&request()).unwrap().challenge(&drawn(9)).unwrap();
    assert!(later.answered(&right).is_err());
    let _: () = pending.answered(&right).map(drop).unwrap(); // and with that it is gone: it was moved
}

/// Known answers, computed from TPM 2.0 part 1 by another implementation: `testdata/credential.py`.
#[test]
fn credentials_are_as_the_library_specification_has_them() {
    let known: Vec<(&str, &str)> = include_str!("../testdata/credentials.txt")
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let name = [[0, 0x0b].as_slice(), &[0xaa; 32]].concat();
    for (ek, (id_object, secret)) in [EK_RSA, EK_P256].iter().zip(known) {
        let ek = EndorsementKey::parse(&bytes(ek)).unwrap();
        let made = make_credential(&ek, &name, &drawn(1)).unwrap();
        assert_eq!(hex::encode(&made.id_object), id_object);
        assert_eq!(hex::encode(&made.encrypted_secret), secret);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(any: Vec<u8>) {
        let at = Moment::from_unix(NOW);
        prop_assert!(Checked::read(&any, Trusting::InPerson).is_err());
        prop_assert!(Checked::read(&any, Trusting::Makers(&makers(), at)).is_err());
        prop_assert!(Challenge::read(&any).is_err());
        prop_assert!(Answer::read(&any).is_err());
        prop_assert!(Pending::read(&any).is_err());
        prop_assert!(EndorsementKey::parse(&any).is_err());
        let _ = Makers::default().trusting(&any);
        prop_assert!(read(&request().certified(Some(any))).is_err());
    }

    /// What is changed in a request is another request or none: never the same entry by other bytes with another key in it.
    #[test]
    fn any_change_to_a_request_is_answered(at in any::<prop::sample::Index>(), put: u8) {
        let mut text = request().to_text().unwrap().into_bytes();
        let at = at.index(text.len());
        text[at] = put;
        let found = Checked::read(&text, Trusting::Makers(&makers(), Moment::from_unix(NOW)));
        if let Ok(found) = found {
            // The maker vouches for the endorsement key; the TPM will for the attestation key, which the credential names.
            let ek = EndorsementKey::parse(&bytes(EK_RSA)).unwrap();
            prop_assert_eq!(found.endorsement(), &ek);
        }
    }
}

/// Credentials of keylime 7.14.3 (`tpm_util_test.py`, Apache-2.0): endorsement key, secret, name, and what its own MakeCredential gives, without its header.
mod keylime {
    pub(super) const RSA: [&str; 4] = [
        "0001000b000300b20020837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa00060080004300100800000000000100aef12278a9b8d8a1e5700fb835ff3d9b613d0d6fc17df186711260244f3f24847eb3ef1f5ff9b53d01cfebf291104385fbd71ead80a8294ebc76f671859b7c3c9a998300f30859ef3fdba00c5229f17092fd97f19128243000205cfe5ba24f5fc55538e52bf849c6f777690919929c7d2d9328070a2a6bdd67355a516b94afdceda00a0d27988a28644b30ac11beae23a51d9038cd9d789ae39cae15c1312ef174e217449771a602ade4daf35b20e072017c85a2f211fe5512319184059ddeaab94fa331c49c3f213bc3fbccd1e856b8984353ac92e3df0f72f1e5c0b97b9cdc333702872e9e63565c809d81fa8bb6c6da86867cead2adedc0cee80bb6617183",
        "5a4e524b4f4e6e777552754831683734785a466a42416f314758676c484d4149",
        "000b9601163463aacdb45be7ad1f6d11ad3dae0578d5aeeb5125e1075c5601b7c7fa",
        "00206f0c4b08cfa00f21b474ca75623d098309c2cd7fac8d10ae3caf0da40162496db140cc6a5ae79a2bd7c22dc52cee372f34b356bf9bcd5176fa94239ee93191a0a75d",
    ];
    /// The seed that its RSA test draws.
    pub(super) const SEED: [u8; 32] = [0x12; 32];
    pub(super) const P256: [&str; 4] = [
        "0023000b000300b20020837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa0006008000430010000300100020d31f0e190c36691abdc5c8cef7201139664f93bcc45e68861a62d649d9a157d400209bf3cc57da9b2c09539cae40f0518e651b65befaab84f26a3285d88be134b0cf",
        "7756666e6e4574706552556d717932656e7954474c64434f576a523545654a69",
        "000b9f7f75b0564ea96bd70ef98baafbf6bf779641d17576bd11b5c6979273d2ba21",
        "00207d7934f023133b07f7d9bce3062451ea4da5f1917c95e142da1c3277e658f66bbea694a7c1b30d006a09b28dc534876d59b644b9223c5f3c3432d8bae35f3ea3fba600440020361ce888d5152797aaca04838003976967c0c0a0a0e9698b7b5e6e5294e21711002078daa91b35fb5efc70052a470064a96dd556bd53a784d737e40966edc5f36ce8",
    ];
    /// The ephemeral key that its P-256 test draws.
    pub(super) const LOT: &str = "a706d544decd78de340642bcc33317c0cba93b383ad635a1a2aff132936841da";
}

#[test]
fn credentials_are_those_that_another_project_makes() {
    let made = |ek: &str, secret: &str, name: &str, seed, lot: Vec<u8>| {
        let ek = EndorsementKey::parse(&bytes(ek)).unwrap();
        let secret = Zeroizing::new(bytes(secret).try_into().unwrap());
        let (seed, lot) = (
            Zeroizing::new(seed),
            Zeroizing::new(lot.try_into().unwrap()),
        );
        make_credential(&ek, &bytes(name), &Drawn { secret, seed, lot }).unwrap()
    };
    let [ek, secret, name, expected] = keylime::P256;
    let credential = made(ek, secret, name, [0; 32], bytes(keylime::LOT));
    let lengthened = [&[0, 68], credential.encrypted_secret.as_slice()].concat();
    assert_eq!([credential.id_object, lengthened].concat(), bytes(expected));
    // What OAEP draws is not in its test, and nor is what was encrypted so.
    let [ek, secret, name, expected] = keylime::RSA;
    let credential = made(ek, secret, name, keylime::SEED, vec![7; 32]);
    assert_eq!(credential.id_object, bytes(expected));
}
