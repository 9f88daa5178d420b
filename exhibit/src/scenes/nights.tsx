export function NightsScene() { return <section class="scene"><h1>nights</h1></section>; }
