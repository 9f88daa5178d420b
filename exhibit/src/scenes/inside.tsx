export function InsideScene() { return <section class="scene"><h1>inside</h1></section>; }
