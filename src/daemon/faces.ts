import type { Face } from '../face/face.ts';
import { HttpFace } from '../face/http/face.ts';
import { LibvirtFace } from '../face/libvirt/face.ts';
import { QmpFace } from '../face/qmp/face.ts';
import { VarlinkFace } from '../face/varlink/face.ts';
import { LibvirtView } from '../metrics/libvirt-view.ts';
import { CURATED, FULL } from '../metrics/profile.ts';
import { type MetricsView, StatView } from '../metrics/view.ts';
import type { Registry } from '../registry/registry.ts';
import type { Config, FaceName, MetricsConfig, ProfileName } from './config/config.ts';

/** What faces are made of. */
export interface FaceParts {
  readonly config: Config;
  readonly registry: Registry;
  /** Of virtstat, for those that are asked. */
  readonly version: string;
}

/** What makes each face. */
const FACES: Readonly<Record<FaceName, (parts: FaceParts) => Face>> = {
  qmp: ({ config, registry }) => new QmpFace({ monitors: registry, maxAgeMs: config.qmpMaxAgeMs }),
  libvirt: ({ config, registry }) => new LibvirtFace({ monitors: registry, maxAgeMs: config.libvirtMaxAgeMs }),
  http: ({ config: { web, metrics }, version }) =>
    new HttpFace({ ...web, ...metrics, mayBeAbsent: web.isDefaultAddress, views: viewsOf(metrics), version }),
  varlink: ({ version }) => new VarlinkFace({ info: { vendor: 'virtstat', product: 'virtstatd', version, url: '' } }),
};

/** What there is to see of metrics, by the name of its profile. */
function viewsOf({ allow, deny, maxSeries }: MetricsConfig): ReadonlyMap<ProfileName, MetricsView> {
  const options = { deny, maxSeries, ...(allow && { allow }) };
  return new Map<ProfileName, MetricsView>([
    ['curated', new StatView({ ...options, profile: CURATED })],
    ['full', new StatView({ ...options, profile: FULL })],
    ['libvirt', new LibvirtView(maxSeries)],
  ]);
}

/** The faces that a configuration asks for, none listening yet. */
export function createFaces(parts: FaceParts): readonly Face[] {
  return parts.config.faces.map((name) => FACES[name](parts));
}
