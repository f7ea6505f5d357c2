# Which agents may run with nobody to ask?
package cloister.unattended

named contains pattern if {
	some pattern in data.settings.unattended.agents
	glob.match(pattern, null, input.manifest.agent)
}

verdict contains {
	"decision": "permit",
	"rule": "unattended.agent",
	"reason": sprintf("the policy lets agents named %s run with nobody to ask", [pattern]),
} if {
	some pattern in named
}

verdict contains {
	"decision": "forbid",
	"rule": "unattended.not-named",
	"reason": sprintf("the policy does not let %s run with nobody to ask", [input.manifest.agent]),
} if {
	count(named) == 0
}
