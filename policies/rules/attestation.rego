# With what evidence may a session run?
package cloister.attestation

kind := input.request.attestation

verdict contains {
	"decision": "permit",
	"rule": "attestation.hardware",
	"reason": "a TPM in hardware vouches for this session",
} if {
	kind == "tpm2-hardware"
}

verdict contains {
	"decision": "permit",
	"rule": "attestation.software",
	"reason": "only a TPM in software vouches for this session, and the policy accepts that",
} if {
	kind == "tpm2-software"
	data.settings.attestation.allow_software == true
}

verdict contains {
	"decision": "forbid",
	"rule": "attestation.software.refused",
	"reason": "only a TPM in software vouches for this session, and the policy asks for one in hardware",
} if {
	kind == "tpm2-software"
	not data.settings.attestation.allow_software == true
}

verdict contains {
	"decision": "permit",
	"rule": "attestation.none",
	"reason": "no TPM vouches for this session, and the policy accepts that; its evidence says so",
} if {
	kind == "none"
	data.settings.attestation.allow_none == true
}

verdict contains {
	"decision": "forbid",
	"rule": "attestation.none.refused",
	"reason": "no TPM vouches for this session, and the policy asks for one",
} if {
	kind == "none"
	not data.settings.attestation.allow_none == true
}
