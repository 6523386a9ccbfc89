/** The opaque link of a number, made into a question to the API; anything else in the address is not followed. */
export function question(link: string): string | null {
  if (/^\/(api\/v1\/)?why(\?|$)/.test(link)) return link;
  if (/^\?/.test(link)) return `/why${link}`;
  return null;
}
