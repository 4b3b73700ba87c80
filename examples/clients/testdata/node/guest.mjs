// What the guests have in common: the conversation with guest_test.go.
import readline from 'node:readline';

export const env = process.env;

const input = readline.createInterface({ input: process.stdin });
const lines = input[Symbol.asyncIterator]();

// authorize sends the user to url, and returns the query that comes back.
export async function authorize(url) {
  console.log(`authorize ${url}`);
  return new URL((await lines.next()).value).searchParams;
}

// errorCode keeps what is not an OAuth error from looking like one.
export const errorCode = (e) => (typeof e === 'string' ? e : `unexpected: ${e}`);

export function result(value) {
  console.log(`result ${JSON.stringify(value)}`);
  input.close();
}
