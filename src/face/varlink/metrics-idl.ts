import { defineInterface, type VarlinkInterface } from '../../protocol/varlink/interface.ts';

/**
 * Definition of `io.systemd.Metrics`, by which `systemd-report` (systemd 260 and newer) collects numbers of any service.
 * Names and types are systemd's.
 */
export const METRICS_INTERFACE: VarlinkInterface = defineInterface(`# Numbers of this service, for systemd-report.
interface io.systemd.Metrics

# "counter" only grows, "gauge" goes up and down.
type MetricFamilyType (counter, gauge, string)

# All metrics, one for each reply. "object" is the virtual machine, "fields" say who measured what.
method List() -> (name: string, value: any, object: ?string, fields: ?object)

# What the metrics of one name are, one name for each reply.
method Describe() -> (name: string, description: string, type: MetricFamilyType)

# There is nothing to tell.
error NoSuchMetric ()
`);
