/**
 * Builds ipc and installs it below a directory, to be run by the Deno that runs this.
 *
 *     deno run -A tests/systemd/install_program.ts DIRECTORY
 *
 * @module
 */
import { buildProgram } from "../../scripts/build.ts";
import { installBundle, places } from "../../scripts/install.ts";

const [directory] = Deno.args;
await buildProgram(`${directory}/bundle`);
await installBundle(`${directory}/bundle`, places(directory!));
