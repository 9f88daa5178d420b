export function BreakScene() { return <section class="scene"><h1>break</h1></section>; }
