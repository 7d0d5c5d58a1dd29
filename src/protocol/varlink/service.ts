import type { VirtstatError } from '../../model/errors.ts';
import type { JsonObject } from '../json/json.ts';
import { defineInterface, type VarlinkInterface } from './interface.ts';
import { VarlinkError, type VarlinkParameters } from './messages.ts';
import { SERVICE_IDL } from './service-idl.ts';

/** What a method is given. */
export interface VarlinkRequest {
  /** As the definition says; an absent field may also be null. */
  readonly parameters: JsonObject;
  /** Fires when the client is gone. */
  readonly signal: AbortSignal;
}

/** A method with one reply. A {@link VarlinkError} that it throws is the reply. */
export type SingleMethod = (request: VarlinkRequest) => Promise<VarlinkParameters>;

/** A method with many replies: those it yields, and last what it returns. It is resumed when the client has read. */
export type StreamMethod = (request: VarlinkRequest) => AsyncGenerator<VarlinkParameters, VarlinkParameters, void>;

/** An interface with what does its work. A method of the definition that is in neither list answers MethodNotImplemented. */
export interface VarlinkImplementation {
  readonly definition: VarlinkInterface;
  readonly single?: Readonly<Record<string, SingleMethod>>;
  /** These must be called with `more`. */
  readonly stream?: Readonly<Record<string, StreamMethod>>;
  /** What the client is told of an error that is no {@link VarlinkError}. Without it, the connection is closed. */
  readonly errorOf?: (error: VirtstatError) => VarlinkError;
}

/** What a service says of itself. */
export interface ServiceInfo {
  readonly vendor: string;
  readonly product: string;
  readonly version: string;
  readonly url: string;
}

/** The interfaces behind one address, `org.varlink.service` among them. */
export class VarlinkService {
  readonly #implementations: ReadonlyMap<string, VarlinkImplementation>;

  constructor(info: ServiceInfo, implementations: readonly VarlinkImplementation[]) {
    const all = [introspection(info, () => this.#implementations), ...implementations];
    this.#implementations = new Map(all.map((each) => [each.definition.name, each]));
  }

  /** The implementation of an interface, undefined where the service does not have it. */
  get(interfaceName: string): VarlinkImplementation | undefined {
    return this.#implementations.get(interfaceName);
  }
}

/** The errors that every service may answer; each is made from the name that it is about. */
export const SERVICE_ERRORS: {
  readonly interfaceNotFound: (interfaceName: string) => VarlinkError;
  readonly methodNotFound: (method: string) => VarlinkError;
  readonly methodNotImplemented: (method: string) => VarlinkError;
  readonly invalidParameter: (parameter: string) => VarlinkError;
  readonly permissionDenied: () => VarlinkError;
  readonly expectedMore: () => VarlinkError;
} = {
  interfaceNotFound: (interfaceName) => serviceError('InterfaceNotFound', { interface: interfaceName }),
  methodNotFound: (method) => serviceError('MethodNotFound', { method }),
  methodNotImplemented: (method) => serviceError('MethodNotImplemented', { method }),
  invalidParameter: (parameter) => serviceError('InvalidParameter', { parameter }),
  permissionDenied: () => serviceError('PermissionDenied'),
  expectedMore: () => serviceError('ExpectedMore'),
};

function serviceError(name: string, parameters: VarlinkParameters = {}): VarlinkError {
  return new VarlinkError(`org.varlink.service.${name}`, parameters);
}

/** `org.varlink.service`. */
export const SERVICE_INTERFACE: VarlinkInterface = defineInterface(SERVICE_IDL);

function introspection(
  info: ServiceInfo,
  all: () => ReadonlyMap<string, VarlinkImplementation>,
): VarlinkImplementation {
  const getInfo: SingleMethod = async () => ({ ...info, interfaces: [...all().keys()] });
  const getInterfaceDescription: SingleMethod = async ({ parameters }) => {
    const name = parameters['interface'] as string;
    const implementation = all().get(name);
    if (implementation === undefined) throw SERVICE_ERRORS.interfaceNotFound(name);
    return { description: implementation.definition.text };
  };
  return {
    definition: SERVICE_INTERFACE,
    single: { GetInfo: getInfo, GetInterfaceDescription: getInterfaceDescription },
  };
}
