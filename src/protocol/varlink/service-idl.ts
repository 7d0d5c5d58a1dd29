/**
 * Definition of `org.varlink.service`, which every service has. Names and types are those of
 * https://varlink.org/Service.
 */
export const SERVICE_IDL = `# What a varlink service is, and which interfaces it has.
interface org.varlink.service

# The service and the names of its interfaces.
method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

# The text that defines one interface.
method GetInterfaceDescription(interface: string) -> (description: string)

# The service has no such interface.
error InterfaceNotFound (interface: string)

# The interface has no such method.
error MethodNotFound (method: string)

# The interface has the method, but this service does not offer it.
error MethodNotImplemented (method: string)

# A parameter is missing, unknown, or not of its type.
error InvalidParameter (parameter: string)

# The caller may not do this.
error PermissionDenied ()

# The method replies more than once and has to be called with "more".
error ExpectedMore ()
`;
