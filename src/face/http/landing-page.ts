/** A page for people who come by with a browser. */
export function landingPage(telemetryPath: string, profiles: readonly string[], version: string): string {
  const links = profiles.map((profile) => {
    const href = `${telemetryPath}?profile=${encodeURIComponent(profile)}`;
    return `<li><a href="${escapeHtml(href)}">${escapeHtml(profile)}</a></li>`;
  });
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>virtstatd</title></head>
<body>
<h1>virtstatd ${escapeHtml(version)}</h1>
<p>Statistics of the virtual machines of this host.</p>
<p><a href="${escapeHtml(telemetryPath)}">Metrics</a>, in OpenMetrics or Prometheus's format. Profiles:</p>
<ul>
${links.join('\n')}
</ul>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);
}
