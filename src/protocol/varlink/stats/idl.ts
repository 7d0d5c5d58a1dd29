import { defineInterface, type VarlinkInterface } from '../interface.ts';

/** Definition of `org.virtstat.Stats`. `docs/org.virtstat.Stats.varlink` is the same text; a test keeps the two in step. */
export const STATS_IDL = `# Statistics of the virtual machines of a host, described by themselves: a schema says what a number
# is, and travels once; values say what it is now, and travel often. Nothing here can change a
# virtual machine.
#
# Integers are exact, also beyond 2^53: read them with a JSON parser that keeps all digits.
# Words for targets, providers, kinds and units may become more: keep one that you do not know.
# What cannot be had is absent, with the reason beside it; it is never 0.
interface org.virtstat.Stats

# The program that runs a virtual machine.
type Vmm (
  # "QEMU"
  name: string,
  version: string,
  # Version of whoever packaged it.
  package: ?string
)

# One virtual machine.
type Domain (
  # Tells domains apart that share a name; the same while the virtual machine lives.
  id: string,
  # As the guest was named, or made from what identifies it.
  name: string,
  uuid: ?string,
  # In QEMU's words: "running", "paused", ...
  state: ?string,
  # Number of virtual CPUs.
  vcpus: ?int,
  vmm: ?Vmm,
  # Process on the host that runs virtstatd.
  pid: ?int,
  # URI of the place where virtstatd found it.
  source: string
)

# Whether a provider can measure a target, by which way, and if not, why not.
type Availability (
  provider: string,
  target: string,
  via: string,
  available: bool,
  # For people; there exactly where "available" is false.
  reason: ?string
)

# Something that went wrong with one domain. The others are not touched by it.
type Problem (
  # Stable, for programs: "TIMEOUT", "DOMAIN_GONE", ...; docs/errors.md of virtstat has all.
  code: string,
  # One line for people.
  message: string
)

# measured value = raw value * base^exponent, in the unit of the stat
type StatsScale (
  # "pow2" or "pow10"; absent where the provider does not say, which it may where the exponent is 0.
  base: ?string,
  exponent: int
)

# What one statistic is. The name is no stable interface of the kernel.
type StatsDescriptor (
  name: string,
  # "cumulative" (only grows), "instant", "peak" (the largest so far), "linear-histogram",
  # "log2-histogram", "histogram" (its boundaries are the stat of this name and "_boundaries")
  kind: string,
  # "bytes", "seconds", "cycles", "boolean"; absent: a plain number. For a histogram, this and
  # "scale" are of the bounds of its buckets, whose values are counts.
  unit: ?string,
  # Absent: values are in the unit itself.
  scale: ?StatsScale,
  # Width of one bucket of a linear histogram, in scaled units.
  bucketSize: ?int,
  # How many values there are; absent where the provider does not say.
  count: ?int
)

# What one provider measures about one target.
type StatsSchema (
  # Who measures: "kvm", ...
  provider: string,
  # What it is about: "vm", "vcpu", ...
  target: string,
  # In the kernel's order.
  stats: []StatsDescriptor
)

# One value; exactly one field besides the name is there.
#
# Counters have 64 bits without a sign, but the integers of most implementations of varlink have
# one. A number above 9223372036854775807 therefore comes as its decimal digits in "bigNumber", and
# a list that has such a number as a whole in "bigNumbers": who does not look there misses the value
# instead of reading a wrong one.
type StatsValue (
  name: string,
  # 0 to 2^63-1
  number: ?int,
  # 2^63 to 2^64-1
  bigNumber: ?string,
  boolean: ?bool,
  # Buckets of a histogram, the smallest first.
  numbers: ?[]int,
  bigNumbers: ?[]string
)

# Why values are older than what was asked for.
type Staleness (
  # Since they were read.
  ageNs: int,
  # As in Problem.
  code: string,
  reason: string
)

# The values of one object at one time.
type StatsSample (
  provider: string,
  target: string,
  # Which object of the target: a QOM path, a device. Absent where there is only one: the VM.
  path: ?string,
  # Name of the host's device behind the object, such as tap0. Absent where there is none.
  device: ?string,
  # By which way the values came: "kvm-file", "qmp", ...
  via: string,
  # When they were read: nanoseconds since 1970, UTC.
  collectedAtNs: int,
  # Absent: the values are fresh.
  stale: ?Staleness,
  # In the order of the schema.
  stats: []StatsValue
)

# One provider, and which of its stats. No names: all; an empty list: none.
type ProviderFilter (provider: string, names: ?[]string)

# One domain with what can be read of it.
type DomainListing (domain: Domain, providers: []Availability, errors: []Problem)

# What can be measured about one domain.
type DomainSchemas (id: string, name: string, schemas: []StatsSchema, errors: []Problem)

# What one domain gave. Samples and errors may stand beside each other: one provider failed, or
# the samples are stale and the error is why.
type DomainStats (id: string, name: string, samples: []StatsSample, errors: []Problem)

# Says who calls: from here on, the caller of this connection is whoever holds this token. On a unix
# socket the kernel says it, and on TCP a client certificate may; who has shown neither may call
# nothing else but org.varlink.service, and is disconnected after 10 seconds. The call need not be
# waited for: others may follow at once.
method Authenticate(token: string) -> ()

# The domains. "domains" has names or uuids; absent: all that the caller may read. With "brief", no
# virtual machine is asked: "providers" is empty, and state, vcpus and vmm may be absent.
method ListDomains(domains: ?[]string, brief: ?bool) -> (domains: []DomainListing)

# What can be measured, of all targets or of one.
method GetSchemas(domains: ?[]string, target: ?string) -> (domains: []DomainSchemas)

# Values now. Absent filters mean everything, an empty list nothing; names, providers and paths that
# do not exist drop out silently, as with QEMU's query-stats. "paths" has whole paths of objects.
# Values that are up to maxAgeMs milliseconds old will do; absent: read anew.
method GetStats(
  target: string,
  providers: ?[]ProviderFilter,
  paths: ?[]string,
  domains: ?[]string,
  maxAgeMs: ?int
) -> (domains: []DomainStats)

# Values now, and again every intervalMs milliseconds (100 to 86400000), until the connection is
# closed; call it with "more". An interval in which the caller does not read is left out. A domain
# that takes longer than an interval is given as it was last, stale, and holds up no other. With
# "changedOnly", every reply after the first still has all samples, but of their stats only those
# that changed. What does not exist is refused at the beginning: a typing error would otherwise be
# waited for in vain.
method Watch(
  target: string,
  providers: ?[]ProviderFilter,
  paths: ?[]string,
  domains: ?[]string,
  intervalMs: int,
  changedOnly: ?bool
) -> (domains: []DomainStats)

# No access rule names this token. The connection is closed after the third such.
error AuthenticationFailed ()

# It is not known who calls: show a client certificate, or call Authenticate.
error NotAuthenticated ()

# No domain has this name or uuid, or the caller may not read it.
error DomainNotFound (domain: string)

# No schema of the asked domains has this target. "nearest" has the names that are most like it.
error UnknownTarget (target: string, nearest: []string)

# No schema of this target has this provider.
error UnknownProvider (provider: string, nearest: []string)

# No asked schema has a stat of this name.
error UnknownStat (name: string, nearest: []string)

# The call as a whole failed; the fields are those of Problem.
error Failed (code: string, message: string)
`;

/** `org.virtstat.Stats`. */
export const STATS_INTERFACE: VarlinkInterface = defineInterface(STATS_IDL);
