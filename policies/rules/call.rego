# One call of a plan: may it run, and may its effects be released without a question?
package cloister.call

call := input.call

changes := {"write", "move", "delete"}

# Nobody will be asked, and the policy says that this agent may run so.
trusted_alone if {
	input.session.unattended == true
	some pattern in data.settings.unattended.agents
	glob.match(pattern, null, input.manifest.agent)
}

reads_only if {
	every resource in call.resources {
		resource.op == "read"
	}
}

verdict contains {
	"decision": "permit",
	"rule": "file.read.granted",
	"reason": "it reads only files that the manifest names",
} if {
	count(call.resources) > 0
	reads_only
	every resource in call.resources {
		resource.granted == true
	}
}

verdict contains {
	"decision": "permit",
	"rule": "values.only",
	"reason": "it touches no file",
} if {
	count(call.resources) == 0
}

question := {
	"write": "writes",
	"move": "moves",
	"delete": "deletes",
}

touched[op] contains resource.path if {
	some resource in call.resources
	op := resource.op
}

sentence(op) := sprintf("it %s %s", [question[op], path]) if {
	some path in touched[op]
	count(touched[op]) == 1
}

sentence(op) := sprintf("it %s %d files", [question[op], count(touched[op])]) if {
	count(touched[op]) > 1
}

# A move names two places: where from and where to.
moved := sprintf("it moves %s", [concat(" to ", [resource.path | some resource in call.resources; resource.op == "move"])]) if {
	count(touched.move) == 2
}

# For how many days an answer about new files may be remembered: not at all, where the settings do not say.
default remember_days := 0

remember_days := data.settings.consent.remember_days

verdict contains {"decision": "ask", "rule": "file.write.ask", "reason": sentence("write"), "remember_days": remember_days} if {
	not named_by_others
	not trusted_alone
}

verdict contains {"decision": "ask", "rule": "file.move.ask", "reason": moved} if {
	not named_by_others
	not trusted_alone
}

verdict contains {"decision": "ask", "rule": "file.move.ask", "reason": sentence("move")} if {
	count(touched.move) != 2
	not named_by_others
	not trusted_alone
}

verdict contains {"decision": "ask", "rule": "file.delete.ask", "reason": sentence("delete")} if {
	not named_by_others
	not trusted_alone
}

verdict contains {
	"decision": "permit",
	"rule": "unattended.change",
	"reason": sprintf("the policy lets %s change granted files with nobody to ask", [input.manifest.agent]),
} if {
	not reads_only
	trusted_alone
	every resource in call.resources {
		resource.granted == true
	}
}

verdict contains {
	"decision": "forbid",
	"rule": "unattended.nobody",
	"reason": sprintf("nobody can be asked, and the policy does not let %s run alone", [input.manifest.agent]),
} if {
	input.session.unattended == true
	not trusted_alone
}

# Alike for a file that is missing and for one that is not granted: a refusal must not tell which.
verdict contains {
	"decision": "forbid",
	"rule": sprintf("file.%s.outside", [resource.op]),
	"reason": sprintf("%s is not among the files that the agent may %s", [resource.path, resource.op]),
} if {
	some resource in call.resources
	resource.granted == false
}

verdict contains {
	"decision": "forbid",
	"rule": "grants.expired",
	"reason": "the time for which access was granted is over",
} if {
	input.grants.expired == true
}

verdict contains {
	"decision": "forbid",
	"rule": "tool.not-granted",
	"reason": sprintf("the manifest does not name the tool %s", [call.tool]),
} if {
	call.tool_granted == false
}

verdict contains {
	"decision": "forbid",
	"rule": "session.unconfined",
	"reason": "this process could not be locked in, and the policy asks for that",
} if {
	input.session.confinement.level == "none"
	not data.settings.call.allow_unconfined == true
}

# The model holds nothing and its answers are data, so the shipped settings let tools ask it. Whoever does not trust it with documents at all says so.
verdict contains {
	"decision": "forbid",
	"rule": "model.asked",
	"reason": sprintf("%s would ask the model about what it reads, and the policy does not let tools do that", [call.tool]),
} if {
	call.asks_model == true
	not data.settings.call.ask_model == true
}

# Sinks: what names a file, a link, a recipient or becomes a formula. Words out of a document must not decide there.
sinks contains arg if {
	some arg in call.args
	some resource in call.resources
	resource.parameter == arg.name
	resource.op in changes
}

sinks contains arg if {
	some arg in call.args
	arg.alias in data.settings.call.sink_aliases
}

chosen_by_document contains arg if {
	some arg in sinks
	not arg.label.integrity in {"person", "policy", "tool"}
}

# Then that is what the question is about, and not only that a file is written.
named_by_others if {
	some arg in sinks
	not arg.label.integrity in {"person", "policy"}
}

verdict contains {
	"decision": "forbid",
	"rule": "sink.document.read",
	"reason": sprintf("which file is read (%s) would be chosen by words in %s", [arg.name, concat(", ", arg.label.sources)]),
} if {
	some arg in call.args
	not arg.label.integrity in {"person", "policy", "tool"}
	some resource in call.resources
	resource.parameter == arg.name
	resource.op == "read"
}

verdict contains {
	"decision": "ask",
	"rule": "sink.tool",
	"reason": sprintf("%s is %s, which a tool worked out", [arg.name, json.marshal(arg.value)]),
} if {
	some arg in sinks
	arg.label.integrity == "tool"
	not trusted_alone
}

verdict contains {
	"decision": "ask",
	"rule": "sink.document",
	"reason": sprintf("%s is %s, taken from %s", [arg.name, json.marshal(arg.value), concat(", ", arg.label.sources)]),
} if {
	some arg in chosen_by_document
	not trusted_alone
}

verdict contains {
	"decision": "forbid",
	"rule": "sink.document.unattended",
	"reason": sprintf("%s would be taken from %s, and nobody can be asked", [arg.name, concat(", ", arg.label.sources)]),
} if {
	some arg in chosen_by_document
	trusted_alone
	not data.settings.unattended.names_from_documents == true
}
