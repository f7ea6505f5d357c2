# What of a manifest is granted: one question for each path, host, tool, model and unknown capability, and one for the time.
package cloister.negotiate

settings := data.settings.negotiate

files := {"file:read", "file:write", "file:move", "file:delete"}

verdict contains {
	"decision": "permit",
	"rule": "negotiate.path",
	"reason": sprintf("the manifest asks for %s and the policy has nothing against it", [input.request.item]),
} if {
	input.request.capability in files
	input.request.base
}

verdict contains {
	"decision": "forbid",
	"rule": "negotiate.too-broad",
	"reason": sprintf("%s is too much at once: name the folder that the work is in", [input.request.base]),
} if {
	input.request.base in settings.too_broad
}

verdict contains {
	"decision": "forbid",
	"rule": "negotiate.system-folder",
	"reason": sprintf("%s belongs to the system and holds nobody's documents", [folder]),
} if {
	some folder in settings.never
	startswith(concat("", [input.request.base, "/"]), concat("", [folder, "/"]))
}

verdict contains {
	"decision": "permit",
	"rule": "negotiate.name",
	"reason": sprintf("the manifest limits itself to %s", [input.request.item]),
} if {
	input.request.capability in {"tool:use", "model:use"}
}

verdict contains {
	"decision": "forbid",
	"rule": "negotiate.network",
	"reason": sprintf("this agent is local-only: it has no network, so %s is out of reach; the rest works without it", [input.request.item]),
} if {
	input.request.capability == "network:outbound"
}

verdict contains {
	"decision": "forbid",
	"rule": "negotiate.unknown",
	"reason": sprintf("there is no capability %s in this product", [input.request.capability]),
} if {
	input.request.known == false
}

verdict contains {
	"decision": "permit",
	"rule": "negotiate.time",
	"reason": "the time asked for is within the policy",
} if {
	input.request.capability == "ttl"
	is_number(settings.ttl_seconds) # in Rego every number is below every text
	input.request.ttl_seconds <= settings.ttl_seconds
}

verdict contains {
	"decision": "permit",
	"rule": "negotiate.time-capped",
	"reason": sprintf("this policy grants access for %d hours at most", [floor(settings.ttl_seconds / 3600)]),
	"ttl_seconds": settings.ttl_seconds,
} if {
	input.request.capability == "ttl"
	is_number(settings.ttl_seconds)
	input.request.ttl_seconds > settings.ttl_seconds
}
